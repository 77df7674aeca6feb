"""EC2 on this machine: moto answers the API, and systemd-nspawn runs the machines it speaks of."""
