%% What a mnesia backup holds, read without a database.
-module(dxnn_dump).
-export([nodes/1, schema/1, read/1, close/1]).
-export_type([dump/0, schema/0]).

%% The tables' fields, by their names, and the nodes that hold them.
-type schema() :: #{fields := #{atom() => [atom()]}, nodes := [node()]}.
%% Besides, how many records each table has in the backup, and access to DXNN's own.
-type dump() :: #{
    fields := #{atom() => [atom()]},
    nodes := [node()],
    tables := #{atom() => non_neg_integer()},
    records := ets:table()
}.

%% What says who refers to whom is kept whole; of what is only referred to, that it is there.
-define(WHOLE, [experiment, population, specie, agent, cortex, substrate]).
-define(PRESENT, [neuron, sensor, actuator]).

-define(NO_SCHEMA, #{fields => #{}, nodes => []}).

%% Folds over the items of a backup in their order: {schema, Table, Properties}, records, and
%% {Table, Key} for what is to be deleted of the records before it, for which mnesia may write
%% newer ones than those of the backup's moment. An error is a sentence without its subject.
fold(Fun, Acc, File) ->
    Log = make_ref(),
    case disk_log:open([{name, Log}, {file, File}, {mode, read_only}]) of
        {ok, Log} ->
            try
                chunks(Fun, Acc, Log, start)
            after
                disk_log:close(Log)
            end;
        {error, Reason} ->
            {error, io_lib:format("~0tp", [Reason])}
    end.

chunks(Fun, Acc, Log, Continuation) ->
    case disk_log:chunk(Log, Continuation) of
        eof -> {ok, Acc};
        {error, Reason} -> {error, io_lib:format("~0tp", [Reason])};
        {Next, Items} -> chunks(Fun, lists:foldl(Fun, Acc, items(Items)), Log, Next);
        {_Next, _Items, _BadBytes} -> {error, "it is torn"}
    end.

items(Items) ->
    [Item || Item <- Items, is_tuple(Item), element(1, Item) =/= log_header].

%% The nodes that hold the tables of a backup, which is read to its end.
-spec nodes(file:filename()) -> {ok, [node()]} | {error, iolist()}.
nodes(File) ->
    Collect = fun
        ({schema, _, _} = Item, Schema) -> described(Item, Schema);
        (_Record, Schema) -> Schema
    end,
    case fold(Collect, ?NO_SCHEMA, File) of
        {ok, #{nodes := Nodes}} -> {ok, Nodes};
        Error -> Error
    end.

%% The schema alone, which comes first: a large backup is not read to its end.
-spec schema(file:filename()) -> {ok, schema()} | {error, iolist()}.
schema(File) ->
    try
        fold(fun schema/2, ?NO_SCHEMA, File)
    catch
        throw:{schema, Schema} -> {ok, Schema}
    end.

schema({schema, _, _} = Item, Schema) -> described(Item, Schema);
schema(_First, Schema) -> throw({schema, Schema}).

described({schema, Table, Properties}, #{fields := Fields, nodes := Nodes} = Schema) ->
    Kinds = [ram_copies, disc_copies, disc_only_copies],
    Holders = lists:append([proplists:get_value(Kind, Properties, []) || Kind <- Kinds]),
    Attributes = proplists:get_value(attributes, Properties, []),
    Schema#{
        fields := maps:merge(Fields, maps:without([schema], #{Table => Attributes})),
        nodes := lists:umerge(Nodes, lists:usort(Holders))
    }.

%% Reads a backup. What `records` holds goes with the process or by close/1: {{Table, Key}, Record}
%% for DXNN's tables that refer to others, {{Table, Key}} for those that are only referred to.
-spec read(file:filename()) -> {ok, dump()} | {error, iolist()}.
read(File) ->
    Records = ets:new(dump, [set, private]),
    Rewritten = ets:new(rewritten, [set, private]),
    Empty = ?NO_SCHEMA#{tables => #{}, records => Records},
    try fold(fun(Item, Dump) -> take(Item, Dump, Rewritten) end, Empty, File) of
        {ok, #{tables := Counted} = Dump} ->
            {ok, Tables} = recounted(Counted, Rewritten, File),
            {ok, Dump#{tables := maps:merge(Tables, sizes(Dump))}};
        {error, Sentence} ->
            ets:delete(Records),
            {error, Sentence}
    after
        ets:delete(Rewritten)
    end.

-spec close(dump()) -> ok.
close(#{records := Records}) ->
    true = ets:delete(Records),
    ok.

take({schema, Table, _} = Item, #{tables := Tables} = Dump, _) ->
    described(Item, Dump#{tables := maps:merge(Tables, maps:without([schema], #{Table => 0}))});
take({Table, Key}, #{records := Records} = Dump, Rewritten) ->
    case kept(Table) of
        no -> ets:insert(Rewritten, {{Table, Key}});
        _ -> ets:delete(Records, {Table, Key})
    end,
    Dump;
take(Record, #{tables := Tables, records := Records} = Dump, _) ->
    Table = element(1, Record),
    Key = {Table, element(2, Record)},
    case kept(Table) of
        whole -> ets:insert(Records, {Key, Record}), Dump;
        present -> ets:insert(Records, {Key}), Dump;
        no -> Dump#{tables := maps:update_with(Table, fun(Count) -> Count + 1 end, 1, Tables)}
    end.

kept(Table) ->
    case {lists:member(Table, ?WHOLE), lists:member(Table, ?PRESENT)} of
        {true, _} -> whole;
        {_, true} -> present;
        _ -> no
    end.

%% The sizes of the tables whose keys were kept.
sizes(#{fields := Fields, records := Records}) ->
    Zero = maps:from_list([{Table, 0} || Table <- maps:keys(Fields), kept(Table) =/= no]),
    Count = fun(Entry, Sizes) ->
        {Table, _} = element(1, Entry),
        maps:update_with(Table, fun(Size) -> Size + 1 end, 1, Sizes)
    end,
    ets:foldl(Count, Zero, Records).

%% Of other tables only numbers are kept. Where records were written anew while the backup was
%% taken, a second reading leaves out those that came before their deletion.
recounted(Tables, Rewritten, File) ->
    case ets:info(Rewritten, size) of
        0 ->
            {ok, Tables};
        _ ->
            Count = fun
                ({schema, _, _}, Counts) ->
                    Counts;
                ({_, _} = Deleted, Counts) ->
                    ets:delete(Rewritten, Deleted),
                    Counts;
                (Record, Counts) ->
                    Table = element(1, Record),
                    case ets:member(Rewritten, {Table, element(2, Record)}) of
                        true -> Counts;
                        false -> maps:update_with(Table, fun(N) -> N + 1 end, 1, Counts)
                    end
            end,
            {ok, Again} = fold(Count, #{}, File),
            {ok, maps:map(fun(Table, _) -> maps:get(Table, Again, 0) end, Tables)}
    end.
