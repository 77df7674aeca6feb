%% Whether a database fits the records of the code that is to work with it.
-module(dxnn_schema).
-export([tables/2, within/2]).

%% Records that DXNN keeps within others. A tuple tells nothing of its fields but their number.
-define(WITHIN, [pmp, constraint, trace, stat, champion]).

%% Compares the fields of a database's tables with those of the code's records. What only one of
%% them has does not matter. The sentence names the first table that differs, and how.
-spec tables(dxnn_forms:records(), dxnn_forms:records()) -> ok | {differs, string()}.
tables(Database, Code) ->
    first([
        table(Table, Fields, maps:get(Table, Code))
     || {Table, Fields} <- lists:sort(maps:to_list(Database)), maps:is_key(Table, Code)
    ]).

table(_Table, Same, Same) ->
    ok;
table(Table, Database, Code) ->
    How = [
        io_lib:format("the code's record ~ts ~ts", [Verb, lists:join(", ", [atom_to_list(F) || F <- Fields])])
     || {Verb, Fields} <- [{"lacks", Database -- Code}, {"adds", Code -- Database}], Fields =/= []
    ],
    Words =
        case How of
            [] -> "the code's record has its fields in another order";
            _ -> lists:join(" and ", How)
        end,
    {differs, lists:flatten(io_lib:format("table ~ts: ~ts", [Table, Words]))}.

%% Compares the records within the records of a database with those of the code, by their length.
-spec within(dxnn_references:source(), dxnn_forms:records()) -> ok | {differs, string()}.
within(#{read := Read, keys := Keys}, Code) ->
    first([
        inner(Name, tuple_size(Inner) - 1, maps:get(Name, Code))
     || Table <- [experiment, population, specie],
        Key <- Keys(Table),
        Inner <- records(tuple_to_list(Read(Table, Key))),
        Name <- [element(1, Inner)],
        maps:is_key(Name, Code)
    ]).

records(Tuple) when is_tuple(Tuple), tuple_size(Tuple) > 1 ->
    Within = records(tuple_to_list(Tuple)),
    case lists:member(element(1, Tuple), ?WITHIN) of
        true -> [Tuple | Within];
        false -> Within
    end;
records([Head | Tail]) ->
    records(Head) ++ records(Tail);
records(_) ->
    [].

inner(_Name, Length, Fields) when Length =:= length(Fields) ->
    ok;
inner(Name, Length, Fields) ->
    {differs,
        lists:flatten(
            io_lib:format("a record ~ts has ~b fields, in the code it has ~b (~ts)", [
                Name, Length, length(Fields), lists:join(", ", [atom_to_list(F) || F <- Fields])
            ])
        )}.

first(Answers) ->
    hd([Answer || {differs, _} = Answer <- Answers] ++ [ok]).
