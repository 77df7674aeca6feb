%% Starts mnesia from a backup, so that the node has exactly the backup's schema and records.
-module(dxnn_restore).
-export([start_mnesia/1]).

%% Installs `Backup` as mnesia's fallback, starts mnesia and waits until every table is loaded.
%% A backup made by a node of another name is rewritten for this one first. What the mnesia
%% directory held before is replaced. Throws {refused, 1, Sentence} when the backup cannot be
%% used.
-spec start_mnesia(file:filename()) -> ok.
start_mnesia(Backup) ->
    Owner = owner(Backup),
    case Owner =:= node() of
        true -> install(Backup);
        false -> install_rewritten(Backup, Owner)
    end,
    ok = mnesia:start(),
    ok = mnesia:wait_for_tables(mnesia:system_info(local_tables), infinity).

install_rewritten(Backup, Owner) ->
    Rewritten = mnesia:system_info(directory) ++ ".restore",
    ok = filelib:ensure_dir(Rewritten),
    Rewrite = fun(Item, Count) -> {[rewrite(Item, Owner)], Count + 1} end,
    try
        {ok, _} = accept(Backup, mnesia:traverse_backup(Backup, Rewritten, Rewrite, 0)),
        install(Rewritten)
    after
        file:delete(Rewritten)
    end.

install(Backup) ->
    accept(Backup, mnesia:install_fallback(Backup)).

%% The one node that holds the backup's tables. All of the backup is read for it: mnesia passes over
%% what it cannot read at the end, and of one that was cut off it would restore a part and say
%% nothing.
owner(Backup) ->
    case dxnn_dump:nodes(Backup) of
        {ok, [Owner]} ->
            Owner;
        {ok, Nodes} ->
            refuse("~ts cannot be restored: it is a backup of ~b nodes (~0tp), not of one", [
                Backup, length(Nodes), Nodes
            ]);
        {error, Sentence} ->
            refuse("~ts cannot be restored: ~ts", [Backup, Sentence])
    end.

%% Only the schema names nodes; the records are the trainer's own.
rewrite({schema, Key, Value}, Owner) -> {schema, Key, rename(Value, Owner)};
rewrite(Record, _Owner) -> Record.

rename(Owner, Owner) -> node();
rename([Head | Tail], Owner) -> [rename(Head, Owner) | rename(Tail, Owner)];
rename(Tuple, Owner) when is_tuple(Tuple) ->
    list_to_tuple(rename(tuple_to_list(Tuple), Owner));
rename(Other, _Owner) -> Other.

accept(Backup, {error, Reason}) ->
    refuse("~ts cannot be restored: ~0tp", [Backup, Reason]);
accept(_Backup, Answer) ->
    Answer.

refuse(Format, Arguments) ->
    throw({refused, 1, io_lib:format(Format, Arguments)}).
