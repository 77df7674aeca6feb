%% Notices that a trainer stands still, for which DXNN has many ways: agents that crash, a monitor
%% that was never started, a deadlock. All of them wait for ever and look alive.
-module(dxnn_stall).
-export([start/2]).

-define(LONGEST_INTERVAL_MS, 10_000).
-define(WITHOUT_MONITOR_MS, 10_000).

%% From now on the caller gets {stalled, Sentence} where for so many seconds no evaluation was
%% counted and nothing was written to mnesia, or where the benchmarker waits for a population
%% monitor that does not exist. With 0 seconds nothing is ever said.
-spec start(Seconds :: number(), Watch :: pid()) -> ok.
start(Seconds, _Watch) when Seconds =< 0 ->
    ok;
start(Seconds, Watch) ->
    Receiver = self(),
    Limit = round(Seconds * 1000),
    spawn_link(fun() ->
        Now = now_ms(),
        loop(#{
            receiver => Receiver,
            watch => Watch,
            limit => Limit,
            interval => max(50, min(?LONGEST_INTERVAL_MS, Limit div 10)),
            active_at => Now,
            monitored_at => Now,
            writes => writes()
        })
    end),
    ok.

loop(#{watch := Watch, interval := Interval} = State) ->
    Evaluated = dxnn_monitor_watch:works_within(Watch, Interval),
    Now = now_ms(),
    Seen = seen(State, Evaluated, writes(), Now),
    case stands_still(Seen, Now) of
        false ->
            loop(Seen);
        Sentence ->
            maps:get(receiver, State) ! {stalled, [Sentence, dxnn_crashes:told()]}
    end.

seen(#{writes := Before} = State, Evaluated, Writes, Now) ->
    Active =
        case Evaluated orelse Writes =/= Before of
            true -> State#{active_at := Now, writes := Writes};
            false -> State
        end,
    case waits_in_vain() of
        true -> Active;
        false -> Active#{monitored_at := Now}
    end.

stands_still(#{limit := Limit, active_at := Active, monitored_at := Monitored}, Now) ->
    Patience = min(Limit, ?WITHOUT_MONITOR_MS),
    if
        Now - Active >= Limit ->
            io_lib:format("no evaluation was counted and nothing was written to mnesia for ~ts s", [
                seconds(Now - Active)
            ]);
        Now - Monitored >= Patience, Now - Active >= Patience ->
            "the benchmarker waits for a population monitor, and there is none";
        true ->
            false
    end.

%% The benchmarker waits for the end of a run that nobody carries out: only a monitor would tell.
waits_in_vain() ->
    case whereis(benchmarker) of
        undefined ->
            false;
        Benchmarker ->
            Told = process_info(Benchmarker, [current_function, status, message_queue_len]),
            whereis(monitor) =:= undefined andalso waits(Told)
    end.

waits([{current_function, {_, loop, 2}}, {status, waiting}, {message_queue_len, 0}]) -> true;
waits(_) -> false.

%% Everything that mnesia wrote down; a backup adds nothing to it.
writes() ->
    try
        {mnesia:system_info(transaction_log_writes), mnesia:system_info(transaction_commits)}
    catch
        exit:_ -> down
    end.

seconds(Milliseconds) ->
    integer_to_list(Milliseconds div 1000).

now_ms() ->
    erlang:monotonic_time(millisecond).
