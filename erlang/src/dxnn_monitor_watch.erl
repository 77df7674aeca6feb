%% Notices when DXNN's population monitor dies of anything but a normal end. The benchmarker
%% would wait for it for ever: nothing links or monitors that process, and each run of an
%% experiment registers a new one under the name `monitor`.
-module(dxnn_monitor_watch).
-export([start/0]).

%% From now on the caller gets {monitor_died, Reason} for each such death. Nothing is polled:
%% the calls register(monitor, _) are traced, which costs the other processes nothing.
-spec start() -> ok.
start() ->
    Receiver = self(),
    Ready = make_ref(),
    spawn_link(fun() ->
        %% A process that registers itself is traced to its end from inside that very call, so
        %% that no death comes too early to be seen.
        Registers = [{[monitor, '_'], [], [{trace, [], [procs]}]}],
        erlang:trace_pattern({erlang, register, 2}, Registers, []),
        erlang:trace(all, true, [call]),
        Receiver ! Ready,
        loop(Receiver, #{})
    end),
    receive
        Ready -> ok
    end.

loop(Receiver, Watched) ->
    receive
        {trace, Pid, call, {erlang, register, [monitor, Pid]}} ->
            loop(Receiver, Watched#{Pid => traced});
        {trace, _Parent, call, {erlang, register, [monitor, Pid]}} ->
            loop(Receiver, Watched#{Pid => monitor(process, Pid)});
        {trace, Pid, exit, Reason} when map_get(Pid, Watched) =:= traced ->
            report(Receiver, Reason),
            loop(Receiver, maps:remove(Pid, Watched));
        {'DOWN', Reference, process, Pid, Reason} when map_get(Pid, Watched) =:= Reference ->
            report(Receiver, Reason),
            loop(Receiver, maps:remove(Pid, Watched));
        _Other ->
            loop(Receiver, Watched)
    end.

report(_Receiver, normal) -> ok;
report(_Receiver, shutdown) -> ok;
report(_Receiver, {shutdown, _}) -> ok;
report(Receiver, Reason) -> Receiver ! {monitor_died, Reason}.
