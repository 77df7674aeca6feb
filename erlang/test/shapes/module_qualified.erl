-module(benchmarker).
-compile([nowarn_unused_function, export_all, debug_info]).
-define(WHEN_DONE(Flag), Flag =:= completed).
-define(INIT, [#{morphology => M} || M <- [xor_mimic]]).

example() -> #{id => qualified, flag => completed, init => ?INIT}.

loop(#{flag := Flag} = E, P) ->
    receive
        {P, completed, _} when ?WHEN_DONE(Flag) ->
            Result = ?MODULE:report(maps:get(id, E), "report"),
            {returned, Result};
        {P, completed, _} ->
            ?MODULE:loop(E#{flag := completed}, P)
    after 5000 ->
        timeout
    end.

%% Not the loop the process runs: another arity, and it reports too.
loop(E) ->
    report(E, "other").

report(Id, FileName) ->
    {reported, Id, FileName, filelib:wildcard(os:getenv("DXNN_CHECKPOINT_DIR") ++ "/completion-*.dmp")}.
