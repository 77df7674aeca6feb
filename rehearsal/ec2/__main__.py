"""Boot one machine here, to try an image's scripts and units: `python -m rehearsal.ec2`."""

from rehearsal.ec2.cli import main

if __name__ == "__main__":
    main()
