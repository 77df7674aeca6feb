%% Watches DXNN's population monitor from outside: notices when it dies of anything but a normal
%% end, and whether evaluations are reported to it. The benchmarker would wait for a dead one for
%% ever: nothing links or monitors that process, and each run of an experiment registers a new one
%% under the name `monitor`.
-module(dxnn_monitor_watch).
-export([start/0, works_within/2]).

%% From now on the caller gets {monitor_died, Reason} for each such death. Nothing is polled:
%% the calls register(monitor, _) are traced, which costs the other processes nothing.
-spec start() -> pid().
start() ->
    Receiver = self(),
    Ready = make_ref(),
    Watch = spawn_link(fun() ->
        %% A process that registers itself is traced to its end from inside that very call, so
        %% that no death comes too early to be seen.
        Registers = [{[monitor, '_'], [], [{trace, [], [procs]}]}],
        erlang:trace_pattern({erlang, register, 2}, Registers, []),
        %% What agents tell it; only while somebody asks, for there may be thousands a second.
        Casts = [{['_', '_', {'$gen_cast', '_'}], [], []}],
        erlang:trace_pattern('receive', Casts, []),
        erlang:trace(all, true, [call]),
        Receiver ! Ready,
        loop(Receiver, #{}, none)
    end),
    receive
        Ready -> Watch
    end.

%% Whether an agent reports something to the monitor within so many milliseconds. Takes all of
%% them in any case.
-spec works_within(pid(), pos_integer()) -> boolean().
works_within(Watch, Milliseconds) ->
    Reference = make_ref(),
    Watch ! {ask, self(), Reference},
    timer:sleep(Milliseconds),
    Watch ! {answer, Reference},
    receive
        {Reference, Works} -> Works
    end.

loop(Receiver, Watched, Asked) ->
    receive
        {trace, Pid, call, {erlang, register, [monitor, Pid]}} ->
            loop(Receiver, Watched#{Pid => traced}, listen(Pid, Asked));
        {trace, _Parent, call, {erlang, register, [monitor, Pid]}} ->
            loop(Receiver, Watched#{Pid => monitor(process, Pid)}, listen(Pid, Asked));
        {trace, Pid, exit, Reason} when map_get(Pid, Watched) =:= traced ->
            report(Receiver, Reason),
            loop(Receiver, maps:remove(Pid, Watched), Asked);
        {'DOWN', Reference, process, Pid, Reason} when map_get(Pid, Watched) =:= Reference ->
            report(Receiver, Reason),
            loop(Receiver, maps:remove(Pid, Watched), Asked);
        {trace, Pid, 'receive', _Cast} ->
            deafen(Pid),
            loop(Receiver, Watched, heard(Asked));
        {ask, From, Reference} ->
            lists:foreach(fun(Pid) -> listen(Pid, asked) end, maps:keys(Watched)),
            loop(Receiver, Watched, {From, Reference, false});
        {answer, Reference} ->
            {From, Reference, Works} = Asked,
            lists:foreach(fun deafen/1, maps:keys(Watched)),
            From ! {Reference, Works},
            loop(Receiver, Watched, none);
        _Other ->
            loop(Receiver, Watched, Asked)
    end.

listen(_Pid, none) ->
    none;
listen(Pid, Asked) ->
    receives(Pid, true),
    Asked.

deafen(Pid) ->
    receives(Pid, false).

%% A process that has ended is no error.
receives(Pid, How) ->
    try
        erlang:trace(Pid, How, ['receive'])
    catch
        error:badarg -> 0
    end.

heard(none) -> none;
heard({From, Reference, _}) -> {From, Reference, true}.

report(_Receiver, normal) -> ok;
report(_Receiver, shutdown) -> ok;
report(_Receiver, {shutdown, _}) -> ok;
report(Receiver, Reason) -> Receiver ! {monitor_died, Reason}.
