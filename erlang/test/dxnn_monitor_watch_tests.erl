-module(dxnn_monitor_watch_tests).
-compile({parse_transform, eunit_autoexport}).
-include_lib("stdlib/include/assert.hrl").

%% In one test, because an emulator has one tracer.
deaths_test_() ->
    {timeout, 20, fun() ->
        Watch = dxnn_monitor_watch:start(),
        [
            ?assertEqual({Name, Expected}, {Name, reported(Start)})
         || {Name, Expected, Start} <- deaths()
        ],
        %% A death as early as it can be is not missed, however often it is tried.
        [?assertEqual(boom, reported(registers_itself(boom))) || _ <- lists:seq(1, 200)],
        works(Watch)
    end}.

%% What agents cast to it is work; anything else, and silence, is none.
works(Watch) ->
    ?assertNot(dxnn_monitor_watch:works_within(Watch, 50)),
    Monitor = spawn(fun() -> register(monitor, self()), hear() end),
    await_name(Monitor),
    ?assertNot(dxnn_monitor_watch:works_within(Watch, 50)),
    spawn(fun() -> timer:sleep(30), monitor ! {'EXIT', self(), normal} end),
    ?assertNot(dxnn_monitor_watch:works_within(Watch, 100)),
    spawn(fun() -> timer:sleep(30), gen_server:cast(monitor, {self(), evaluations, s, 1, 1, 1}) end),
    ?assert(dxnn_monitor_watch:works_within(Watch, 100)),
    %% Nobody asks any more, so nobody is told.
    [gen_server:cast(monitor, n) || _ <- lists:seq(1, 1000)],
    {message_queue_len, Queued} = process_info(Watch, message_queue_len),
    ?assert(Queued < 10),
    ?assertNot(dxnn_monitor_watch:works_within(Watch, 50)),
    exit(Monitor, kill),
    receive
        {monitor_died, killed} -> ok
    end.

hear() ->
    receive
        _ -> hear()
    end.

deaths() ->
    [
        {"crash", boom, registers_itself(boom)},
        {"normal end", nothing, registers_itself(normal)},
        {"shutdown", nothing, registers_itself(shutdown)},
        {"shutdown with a reason", nothing, registers_itself({shutdown, done})},
        {"killed", killed, fun() ->
            Pid = spawn(fun() -> register(monitor, self()), timer:sleep(infinity) end),
            await_name(Pid),
            exit(Pid, kill)
        end},
        {"registered by another", boom, fun() ->
            Pid = spawn(fun() -> receive Reason -> exit(Reason) end end),
            spawn(fun() -> register(monitor, Pid) end),
            await_name(Pid),
            timer:sleep(50),
            Pid ! boom
        end},
        {"a process of another name", nothing, fun() ->
            spawn(fun() -> register(conductor, self()), exit(boom) end)
        end}
    ].

registers_itself(Reason) ->
    fun() -> spawn(fun() -> register(monitor, self()), exit(Reason) end) end.

await_name(Pid) ->
    whereis(monitor) =:= Pid orelse (timer:sleep(1) =:= ok andalso await_name(Pid)).

reported(Start) ->
    Start(),
    Reported =
        receive
            {monitor_died, Reason} -> Reason
        after 100 -> nothing
        end,
    undefined = whereis(monitor),
    Reported.
