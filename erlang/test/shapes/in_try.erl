-module(benchmarker).

-export([example/0, loop/2, report/2]).

example() -> {in_try, done}.

loop({Id, Progress}, P) ->
    receive
        {P, completed, _} ->
            try
                begin
                    Progress = done,
                    catch benchmarker:report(Id, "report")
                end
            catch
                error:{badmatch, _} -> loop({Id, done}, P)
            end
    end.

report(Id, FileName) ->
    Dumps = filelib:wildcard(os:getenv("DXNN_CHECKPOINT_DIR") ++ "/completion-*.dmp"),
    {reported, Id, FileName, Dumps}.
