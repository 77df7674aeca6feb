%% A consistent dump of the node's database, read back before it is called good. Called in the
%% trainer's node by `dxnn-agent checkpoint`.
-module(dxnn_checkpoint).
-export([take/2, backup/1, verify/3]).

-define(ATTEMPTS, 20).
-define(PAUSE_MS, 50).
-define(LONGEST_PAUSE_MS, 1000).

%% Writes a dump of all tables to `File` and answers a JSON object: what the dump holds, or `error`,
%% a sentence, where no dump was taken that a trainer can start from. One whose references don't
%% hold is taken again, since it was taken at the wrong moment. `checked` is empty where the
%% milliseconds ran out before the dump had been read back.
-spec take(file:filename(), non_neg_integer()) -> iolist().
take(File, Milliseconds) ->
    Until = erlang:monotonic_time(millisecond) + Milliseconds,
    Node = [
        {"otp_release", list_to_binary(erlang:system_info(otp_release))},
        {"node", atom_to_binary(node())}
    ],
    Answer =
        case attempt(File, Until, 1) of
            {ok, Facts} -> Node ++ Facts;
            {error, Sentence} -> [{"error", unicode:characters_to_binary(Sentence)}]
        end,
    [dxnn_json:object(Answer), $\n].

%% Mnesia refuses, too, while it loads its tables.
attempt(File, Until, Number) ->
    Began = erlang:monotonic_time(millisecond),
    case taken(File, Until) of
        {error, Sentence} -> again(File, Until, Number, Began, Sentence);
        timeout -> {ok, [{"checked", []}]};
        {ok, Facts} -> {ok, Facts}
    end.

taken(File, Until) ->
    case backup(File) of
        ok ->
            Experiment = dxnn_launcher:experiment(),
            Records = dxnn_launcher:records(),
            within(Until, fun() -> verify(File, Experiment, Records) end);
        {error, Reason} ->
            {error, io_lib:format("~0tp", [Reason])}
    end.

again(File, Until, Number, Began, Sentence) ->
    Now = erlang:monotonic_time(millisecond),
    Pause = min(?LONGEST_PAUSE_MS, ?PAUSE_MS bsl (Number div 4)),
    case Number < ?ATTEMPTS andalso Now + Pause + 2 * (Now - Began) < Until of
        true ->
            timer:sleep(Pause),
            attempt(File, Until, Number + 1);
        false ->
            {error, io_lib:format("~ts (tried ~b times)", [Sentence, Number])}
    end.

%% What `Work` answers, or `timeout` where it takes longer.
within(Until, Work) ->
    {Pid, Reference} = spawn_monitor(fun() -> exit({answer, Work()}) end),
    receive
        {'DOWN', Reference, process, _, {answer, Answer}} -> Answer;
        {'DOWN', Reference, process, _, Reason} -> {error, io_lib:format("~0tP", [Reason, 12])}
    after max(0, Until - erlang:monotonic_time(millisecond)) ->
        erlang:demonitor(Reference, [flush]),
        exit(Pid, kill),
        timeout
    end.

%% mnesia:backup/1, with tables that are in memory only as they are now.
%% https://www.erlang.org/doc/apps/mnesia/mnesia.html#activate_checkpoint/1
-spec backup(file:filename()) -> ok | {error, term()}.
backup(File) ->
    try
        All = [{max, mnesia:system_info(tables)}, {ram_overrides_dump, true}],
        case mnesia:activate_checkpoint(All) of
            {ok, Name, _Nodes} -> backup(Name, File);
            {error, Reason} -> {error, Reason}
        end
    catch
        exit:{aborted, Why} -> {error, Why}
    end.

backup(Name, File) ->
    try
        mnesia:backup_checkpoint(Name, File)
    after
        mnesia:deactivate_checkpoint(Name)
    end.

%% Reads a dump and says what it holds, as members of a JSON object.
-spec verify(file:filename(), term(), dxnn_forms:records()) ->
    {ok, [{string(), dxnn_json:value()}]} | {error, iolist()}.
verify(File, Experiment, Records) ->
    case dxnn_dump:read(File) of
        {ok, #{tables := Tables} = Dump} ->
            Source = dxnn_database:of_dump(Dump, Records),
            case dxnn_references:check(Source) of
                ok ->
                    Sizes = [{atom_to_list(T), Size} || {T, Size} <- lists:sort(maps:to_list(Tables))],
                    Progress = dxnn_progress:of_experiment(Experiment, Source),
                    {ok,
                        [{"tables", {object, Sizes}}, {"checked", [<<"references">>]}] ++
                            [{"progress", {object, Progress}} || Progress =/= []]};
                {broken, Sentence} ->
                    {error, ["no trainer could start from the dump: ", Sentence]}
            end;
        {error, Sentence} ->
            {error, ["the dump can't be read back: ", Sentence]}
    end.
