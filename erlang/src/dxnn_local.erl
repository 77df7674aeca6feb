%% The database that a run has on this machine: whether it may be gone on with in place of a dump.
-module(dxnn_local).
-export([there/0, is_of_run/1, start/1, mark/1, set_aside/0]).

-define(MARK, "dxnn.run").
-define(BOOT_ID, "/proc/sys/kernel/random/boot_id").
-define(LOADED_WITHIN_MS, 300_000).

%% Whether the database was marked as the run's own since the machine booted. Every dump of a run is
%% taken from its database, so that this one is at least as new as any of them. After a reboot that
%% is not sure: what was not written to the disk by then is lost.
-spec is_of_run(string()) -> boolean().
is_of_run("") ->
    false;
is_of_run(Run) ->
    there() andalso file:read_file(file(?MARK)) =:= {ok, mark_of(Run)}.

%% Starts mnesia on what is there and looks whether a trainer can start from it. Where it can't,
%% mnesia is stopped again and a sentence says why.
-spec start(dxnn_forms:records()) -> ok | {broken, iolist()}.
start(Records) ->
    Answer =
        case mnesia:start() of
            ok -> loaded(Records);
            {error, Reason} -> {broken, io_lib:format("~0tP", [Reason, 12])}
        end,
    Answer =:= ok orelse mnesia:stop(),
    Answer.

loaded(Records) ->
    case mnesia:wait_for_tables(mnesia:system_info(local_tables), ?LOADED_WITHIN_MS) of
        ok -> dxnn_references:check(dxnn_database:live(Records));
        {timeout, Tables} -> {broken, io_lib:format("tables ~0tp do not load", [Tables])};
        {error, Reason} -> {broken, io_lib:format("~0tP", [Reason, 12])}
    end.

%% Marks the database, which mnesia holds by now, as that of a run.
-spec mark(string()) -> ok.
mark("") ->
    ok;
mark(Run) ->
    %% Without a mark a dump is gone on from, at worst.
    _ = file:write_file(file(?MARK), mark_of(Run)),
    ok.

%% Moves the database out of the way, so that a new one can be made; it is not deleted.
-spec set_aside() -> file:filename().
set_aside() ->
    Directory = mnesia:system_info(directory),
    Aside = Directory ++ ".broken-" ++ integer_to_list(erlang:system_time(second)),
    ok = file:rename(Directory, Aside),
    Aside.

%% Whether there is a database where mnesia would look for one.
-spec there() -> boolean().
there() ->
    filelib:is_regular(file("schema.DAT")).

file(Name) ->
    filename:join(mnesia:system_info(directory), Name).

mark_of(Run) ->
    {ok, Boot} = file:read_file(?BOOT_ID),
    iolist_to_binary([Run, " ", Boot]).
