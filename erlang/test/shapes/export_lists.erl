%% The author's own header; -module(other). in a comment, and "report(" too.
-module(benchmarker).
-export([start/1]).   % first list
-export([
    example/0,
    loop/2,   % receives {P, completed, T}
    report/2  % the last one ] of the list
]).
-export([]).

-record(e, {id, left = 0}).

start(Id) -> register(benchmarker, spawn(fun() -> loop(#e{id = Id}, Id) end)).

example() -> #e{id = lists}.

%% Code follows the call of report/2, so the branch has another value than the report's.
loop(E = #e{left = Left}, P) ->
    receive
        {P, completed, _Trace} ->
            case Left of
                0 ->
                    io:format("report(~p, \"report\")~n", [E#e.id]),
                    report(E#e.id, "report"),
                    case lists:member(test, [gt, test]) of
                        true -> {after_report, get(reported)};
                        false -> ok
                    end;
                _ ->
                    loop(E#e{left = Left - 1}, P)
            end
    end.

report(Id, FileName) ->
    Dumps = filelib:wildcard(os:getenv("DXNN_CHECKPOINT_DIR") ++ "/completion-*.dmp"),
    put(reported, {reported, Id, FileName, Dumps}).
