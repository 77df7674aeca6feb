-module(benchmarker). -ifdef(TEST).
-export([loop/2, example/0]).
-compile(export_all).
-else.
-export([example/0, loop/2]).
-endif.
-include_lib("stdlib/include/assert.hrl").
-type id() :: atom().
-spec loop(map(), atom()) -> term().

example() -> #{id => 'weird report(', runs => 1}.

%% All of it on one line, and no newline after the last dot. Grüße, 日本.
loop(E = #{id := Id, runs := N}, P) when N > 0 -> receive {P, completed, T} -> ?assert(is_atom(Id)), log("ü→", T), if N =< 1 -> report(Id, "report"); true -> loop(E#{runs := N - 1}, P) end; terminate -> ok end.

log(Text, _) -> io:format("~ts~n", [Text]).

report(Id, FileName) -> {reported, Id, FileName, filelib:wildcard(os:getenv("DXNN_CHECKPOINT_DIR") ++ "/completion-*.dmp")}.