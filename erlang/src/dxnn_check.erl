%% dxnn-check: whether a trainer can start from a dump.
-module(dxnn_check).
-export([main/0, check/3]).

-define(HELP, <<
    "usage: dxnn-check [--schema-only] [--trainer DIRECTORY] DUMP\n"
    "\n"
    "Says whether a trainer can start from the mnesia backup DUMP: whether it can be read, whether\n"
    "its tables have the fields of the trainer's records, and whether what it names is there (the\n"
    "population of an experiment in progress, its species, agents, and what they consist of).\n"
    "\n"
    "  --trainer DIRECTORY  what dxnn-build made, to compare the records with; default: .\n"
    "  --schema-only        leave the references alone, where somebody has checked them\n"
    "\n"
    "Exit codes: 0 it can; 1 it can't, and one sentence says why; 2 usage.\n"
    "\n"
    "Example:\n"
    "  dxnn-check --trainer /opt/dxnn checkpoint-20250111-143012Z.dmp\n"
>>).

%% The entry of bin/dxnn-check.
-spec main() -> ok.
main() ->
    spawn(fun() -> halt(run(init:get_plain_arguments(), #{trainer => ".", depth => whole})) end),
    ok.

run([Help], _) when Help =:= "--help"; Help =:= "-h" ->
    io:put_chars(?HELP),
    0;
run(["--schema-only" | Rest], Options) ->
    run(Rest, Options#{depth := schema});
run(["--trainer", Directory | Rest], Options) ->
    run(Rest, Options#{trainer := Directory});
run([[Letter | _] = File], #{trainer := Directory, depth := Depth}) when Letter =/= $- ->
    try check(File, dxnn_trainer:read(Directory), Depth) of
        ok ->
            io:format("~ts: a trainer can start from it~n", [File]),
            0;
        {no, Sentence} ->
            complain(Sentence),
            1
    catch
        throw:{refused, Code, Sentence} ->
            complain(Sentence),
            Code
    end;
run(_, _) ->
    complain("which dump? see --help"),
    2.

complain(Sentence) ->
    io:format(standard_error, "dxnn-check: ~ts~n", [Sentence]).

%% Whether a trainer that is described so can start from a dump; `schema` looks no further than at
%% the fields of the tables.
-spec check(file:filename(), dxnn_trainer:description(), whole | schema) -> ok | {no, iolist()}.
check(File, #{records := Records}, Depth) ->
    case dxnn_dump:schema(File) of
        {error, Sentence} ->
            {no, ["it can't be read: ", Sentence]};
        {ok, #{fields := Fields}} ->
            case {dxnn_schema:tables(Fields, Records), Depth} of
                {{differs, Sentence}, _} -> {no, Sentence};
                {ok, schema} -> ok;
                {ok, whole} -> whole(File, Records)
            end
    end.

whole(File, Records) ->
    case dxnn_dump:read(File) of
        {error, Sentence} ->
            {no, ["it can't be read: ", Sentence]};
        {ok, Dump} ->
            Source = dxnn_database:of_dump(Dump, Records),
            case {dxnn_schema:within(Source, Records), dxnn_references:check(Source)} of
                {{differs, Sentence}, _} -> {no, Sentence};
                {ok, {broken, Sentence}} -> {no, Sentence};
                {ok, ok} -> ok
            end
    end.
