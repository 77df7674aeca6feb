%% The database as dxnn_references and dxnn_progress read it: live in mnesia, or in a backup.
-module(dxnn_database).
-export([live/1, of_dump/2]).

%% `Records` are the fields of the records within records, as the trainer's source has them.
-spec live(dxnn_forms:records()) -> dxnn_references:source().
live(Records) ->
    Tables = mnesia:system_info(tables),
    #{
        read => fun(Table, Key) ->
            case lists:member(Table, Tables) andalso mnesia:dirty_read(Table, Key) of
                [Record | _] -> Record;
                _ -> none
            end
        end,
        holds => fun(Table, Key) ->
            lists:member(Table, Tables) andalso mnesia:dirty_read(Table, Key) =/= []
        end,
        keys => fun(Table) ->
            case lists:member(Table, Tables) of
                true -> mnesia:dirty_all_keys(Table);
                false -> []
            end
        end,
        fields => maps:merge(
            Records,
            maps:from_list([{Table, mnesia:table_info(Table, attributes)} || Table <- Tables])
        )
    }.

-spec of_dump(dxnn_dump:dump(), dxnn_forms:records()) -> dxnn_references:source().
of_dump(#{records := Kept, fields := Fields}, Records) ->
    #{
        read => fun(Table, Key) ->
            case ets:lookup(Kept, {Table, Key}) of
                [{_, Record}] -> Record;
                [] -> none
            end
        end,
        holds => fun(Table, Key) -> ets:member(Kept, {Table, Key}) end,
        keys => fun(Table) -> ets:select(Kept, [{{{Table, '$1'}, '_'}, [], ['$1']}]) end,
        fields => maps:merge(Records, Fields)
    }.
