%% The source of completion_signal/0. dxnn-patch inserts the text from the line that begins
%% "%% Added by dxnn-patch" to the end of this file, as it stands, into a benchmarker.erl;
%% the tests compile and run it here.
-module(dxnn_completion).
-export([completion_signal/0]).

%% Added by dxnn-patch. Called once, when the experiment has completed: writes a consistent dump
%% of mnesia and its metadata into $DXNN_CHECKPOINT_DIR (else ./checkpoints). An error is
%% printed, never raised: the trainer ends as it would have without this function.
completion_signal() ->
    Env = fun(Name) -> case os:getenv(Name) of "" -> false; Value -> Value end end,
    Escape = fun(C) when C =:= $"; C =:= $\\ -> [$\\, C];
                (C) when C < 32 -> io_lib:format("\\u~4.16.0b", [C]);
                (C) -> C end,
    Json = fun(false) -> "null";
              (Number) when is_integer(Number) -> integer_to_list(Number);
              (Text) -> [$", lists:map(Escape, Text), $"] end,
    Object = fun(Pairs) -> [${, lists:join(", ", [[Json(K), ": ", V] || {K, V} <- Pairs]), $}] end,
    Publish = fun(File) ->
        {ok, Device} = file:open(File ++ ".tmp", [read, write, raw]),
        ok = file:sync(Device), ok = file:close(Device),
        ok = file:rename(File ++ ".tmp", File) end,
    Backup = fun(File) ->
        All = [{max, mnesia:system_info(tables)}, {ram_overrides_dump, true}],
        {ok, Checkpoint, _} = mnesia:activate_checkpoint(All),
        ok = mnesia:backup_checkpoint(Checkpoint, File),
        ok = mnesia:deactivate_checkpoint(Checkpoint) end,
    Count = fun(File) ->
        Held = ets:new(held, [bag, public]),
        Take = fun({schema, Table, _} = Item, Sizes) -> {[Item], Sizes#{Table => 0}};
                  ({Table, Key} = Deleted, Sizes) -> ets:delete(Held, {Table, Key}), {[Deleted], Sizes};
                  (Item, Sizes) ->
                      ets:insert(Held, {{element(1, Item), element(2, Item)}, erlang:phash2(Item)}),
                      {[Item], Sizes} end,
        {ok, Empty} = mnesia:traverse_backup(File, mnesia_backup, none, read_only, Take, #{}),
        Sum = fun({{Table, _}, _}, Sizes) -> Sizes#{Table => 1 + maps:get(Table, Sizes, 0)} end,
        Sizes = ets:foldl(Sum, maps:remove(schema, Empty), Held),
        true = ets:delete(Held),
        lists:sort(maps:to_list(Sizes)) end,
    {{Y, Mo, D}, {H, Mi, S}} = calendar:universal_time(),
    Time = fun(Format) -> lists:flatten(io_lib:format(Format, [Y, Mo, D, H, Mi, S])) end,
    Stem = "completion-" ++ Time("~4..0b~2..0b~2..0b-~2..0b~2..0b~2..0bZ"),
    Dir = case Env("DXNN_CHECKPOINT_DIR") of false -> "checkpoints"; Path -> Path end,
    Dump = filename:join(Dir, Stem ++ ".dmp"),
    Metadata = filename:join(Dir, Stem ++ ".metadata.json"),
    try
        ok = filelib:ensure_dir(Dump),
        ok = Backup(Dump ++ ".tmp"),
        Tables = [{atom_to_list(Table), Json(Size)} || {Table, Size} <- Count(Dump ++ ".tmp")],
        ok = Publish(Dump),
        Fields = [{"kind", "completion"}, {"file", Stem ++ ".dmp"},
                  {"size", filelib:file_size(Dump)}, {"reason", "training_completed"},
                  {"taken_at", Time("~4..0b-~2..0b-~2..0bT~2..0b:~2..0b:~2..0bZ")},
                  {"job_id", Env("DXNN_JOB_ID")}, {"run_id", Env("DXNN_RUN_ID")},
                  {"node", atom_to_list(node())}, {"otp_release", erlang:system_info(otp_release)}],
        Text = Object([{Key, Json(V)} || {Key, V} <- Fields] ++ [{"tables", Object(Tables)}]),
        ok = file:write_file(Metadata ++ ".tmp", unicode:characters_to_binary([Text, "\n"])),
        ok = Publish(Metadata),
        io:format("completion_signal: wrote ~ts~n", [Dump])
    catch
        Class:Reason ->
            [file:delete(File ++ ".tmp") || File <- [Dump, Metadata]],
            io:format("completion_signal failed: ~0tp~n", [{Class, Reason}])
    end.
