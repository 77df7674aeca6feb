%% dxnn-train as a process of its own, with real nodes: each test has its own directory, name
%% server and cookie, and leaves no process behind.
-module(dxnn_launcher_tests).
-compile({parse_transform, eunit_autoexport}).
-include_lib("stdlib/include/assert.hrl").

%% A pace at which the experiment is certainly not over before the test has done its part.
-define(SLOW, [{"XOR_GENERATION_MS", "50"}]).

launcher_test_() ->
    {inparallel, 3, [
        case_of("completes, and has completed", fun completes/1),
        case_of("TERM", fun term/1),
        case_of("restore goes on, under another node name too", fun restore/1),
        case_of("a run that ended is not gone on with", fun between_runs/1),
        case_of("a trainer whose runs can't be gone on with", fun begins_anew/1),
        case_of("a population that stood still", fun stood_still/1),
        case_of("killed and started again in place", fun in_place_again/1),
        case_of("what a killed one left is torn", fun torn_in_place/1),
        case_of("torn backup", fun torn_backup/1),
        case_of("a backup with other fields", fun other_fields/1),
        case_of("a backup that names what it lacks", fun lacking/1),
        case_of("parameters that are kept", fun kept/1),
        case_of("benchmarker crashes", fun benchmarker_crashes/1),
        case_of("benchmarker is told to terminate", fun benchmarker_terminated/1),
        case_of("monitor is killed", fun monitor_killed/1),
        case_of("monitor crashes", fun monitor_crashes/1),
        case_of("mnesia ends", fun mnesia_ends/1),
        case_of("a trainer that stands still", fun stalls/1),
        case_of("a monitor that was never started", fun no_monitor/1),
        case_of("a slow trainer is not stalled", fun slow/1),
        case_of("startup expressions", fun startup/1),
        case_of("startup expressions of the image", fun described_startup/1),
        case_of("a startup expression fails", fun startup_fails/1),
        case_of("started otherwise", fun start_expression/1),
        case_of("loopback only, cookie not to be seen", fun secrets/1),
        case_of("refusals", fun refusals/1)
    ]}.

a_table_that_stays_empty_is_an_error_test() ->
    Table = ets:new(empty, [named_table]),
    ?assertError({table_not_settled, empty, {size, 0}}, dxnn_launcher:wait_for_table(Table, 300)).

case_of(Name, Test) ->
    {Name, {timeout, 50, fun() -> in_place(Test) end}}.

completes(Place) ->
    %% The directory of the reports is made in time.
    ok = file:del_dir_r(filename:join(Place, "benchmarks")),
    Output = ended(0, train(Place, [], [])),
    ?assert(has(Output, "wrote benchmarks/report_runs.tsv")),
    ?assertMatch([_], dumps(Place)),
    %% What it found may have been lost with the machine: it is written again.
    ok = file:del_dir_r(filename:join(Place, "benchmarks")),
    Again = ended(0, train(Place, [], [])),
    ?assert(has(Again, "has completed already")),
    ?assert(has(Again, "wrote benchmarks/report_runs.tsv")),
    ?assertNot(has(Again, "generation ")).

term(Place) ->
    Port = start(Place, [], ?SLOW),
    await(Port, "generation 3 "),
    Species = species(Place),
    signal(Port, "TERM"),
    Output = ended(0, finish(Port)),
    ?assertEqual([], complaints(Output)),
    ?assertEqual([], dumps(Place)),
    %% What the database holds is gone on from, with nothing to restore.
    Continued = start(Place, [], ?SLOW),
    await(Continued, "goes on with the population of the run in progress: run 1 of 1"),
    await(Continued, "generation 1 "),
    ?assertEqual(Species, species(Place)).

restore(Place) ->
    Backup = filename:join(Place, "checkpoint.dmp"),
    Port = start(Place, [], ?SLOW),
    await(Port, "generation 5 "),
    Species = species(Place),
    take(Place, Backup),
    killed(Place, Port),
    Environment = [{"DXNN_RESTORE_PATH", Backup} | ?SLOW],
    lists:foreach(
        fun(Node) ->
            Again = start(Place, [], [{"DXNN_ERLANG_NODE", Node} | Environment]),
            await(Again, "goes on with the population of the run in progress"),
            await(Again, "generation 1 "),
            ?assertEqual(Species, species(Place, Node)),
            killed(Place, Again, Node)
        end,
        ["dxnn@127.0.0.1", "other@localhost"]
    ),
    ?assert(filelib:is_dir(filename:join(Place, "Mnesia.other@localhost"))),
    Fresh = start(Place, ["--experiment", "another"], Environment),
    await(Fresh, "holds no experiment another: it starts from the beginning").

%% Between two runs the database holds the population of the one that ended.
between_runs(Place) ->
    Backup = filename:join(Place, "checkpoint.dmp"),
    Port = start(Place, [], [{"XOR_RUNS", "2"} | ?SLOW]),
    await(Port, "generation 1 "),
    End = "sys:suspend(monitor), [E] = mnesia:dirty_read(experiment, 'xor'), "
        "[P] = mnesia:dirty_read(population, xor_population), "
        "At = fun(Table, F) -> string:str(mnesia:table_info(Table, attributes), [F]) + 1 end, "
        "Ended = setelement(At(experiment, trace_acc), E, [element(At(population, trace), P)]), "
        "ok = mnesia:dirty_write(setelement(At(experiment, run_index), Ended, 2)).",
    "{ok, ok}" = call(Place, End),
    take(Place, Backup),
    killed(Place, Port),
    Again = start(Place, [], [{"DXNN_RESTORE_PATH", Backup} | ?SLOW]),
    await(Again, "begins the run in progress anew, for its population is that of the run before").

begins_anew(Place) ->
    Description = dxnn_trainer:read(Place),
    ok = dxnn_trainer:write(Place, Description#{resume := "its prep/1 is unlike DXNN's"}),
    Port = start(Place, [], ?SLOW),
    await(Port, "generation 3 "),
    Species = species(Place),
    killed(Place, Port),
    Again = start(Place, [], ?SLOW),
    await(Again, "begins the run in progress anew, for its prep/1 is unlike DXNN's"),
    await(Again, "generation 1 "),
    ?assertNotEqual(Species, species(Place)).

%% A population with an agent that never ends stands still whoever goes on with it.
stood_still(Place) ->
    Port = start(Place, [], ?SLOW),
    await(Port, "generation 2 "),
    Species = species(Place),
    killed(Place, Port),
    Again = start(Place, [], [{"DXNN_BEGIN_RUN_ANEW", "true"} | ?SLOW]),
    await(Again, "begins the run in progress anew, for trainers stood still with its population"),
    await(Again, "generation 1 "),
    ?assertNotEqual(Species, species(Place)).

%% What the run has on this machine is newer than its newest dump; another run's is not its own.
in_place_again(Place) ->
    Backup = filename:join(Place, "checkpoint.dmp"),
    Run = {"DXNN_RUN_ID", "20250111-143012Z"},
    Port = start(Place, [], [Run | ?SLOW]),
    await(Port, "generation 2 "),
    take(Place, Backup),
    await(Port, "generation 8 "),
    Agents = agents(Place),
    killed(Place, Port),
    Restored = [{"DXNN_RESTORE_PATH", Backup} | ?SLOW],
    Again = start(Place, [], [Run | Restored]),
    await(Again, "goes on with the database that run 20250111-143012Z has on this machine"),
    await(Again, "population monitor started"),
    %% The newest agents that were there are still there, those of the backup no longer.
    ?assertNotEqual([], [A || A <- agents(Place), lists:member(A, Agents)]),
    killed(Place, Again),
    Other = start(Place, [], [{"DXNN_RUN_ID", "20250111-153012Z"} | Restored]),
    Said = await(Other, "goes on with the population of the run in progress"),
    ?assertNot(has(Said, "has on this machine")).

torn_in_place(Place) ->
    Backup = filename:join(Place, "checkpoint.dmp"),
    Run = {"DXNN_RUN_ID", "20250111-143012Z"},
    Port = start(Place, [], [Run | ?SLOW]),
    await(Port, "generation 2 "),
    take(Place, Backup),
    call(Place, "sys:suspend(monitor), mnesia:dirty_delete(agent, "
        "hd(mnesia:dirty_all_keys(agent))), mnesia:sync_log()."),
    killed(Place, Port),
    Again = start(Place, [], [Run, {"DXNN_RESTORE_PATH", Backup} | ?SLOW]),
    await(Again, "the database on this machine is not used: specie "),
    await(Again, "goes on with the population of the run in progress"),
    killed(Place, Again),
    %% With nothing to restore it begins again, and keeps what it can't use.
    Torn = start(Place, [], ?SLOW),
    await(Torn, "goes on with the population"),
    call(Place, "sys:suspend(monitor), mnesia:dirty_delete(agent, "
        "hd(mnesia:dirty_all_keys(agent))), mnesia:sync_log()."),
    killed(Place, Torn),
    Anew = start(Place, [], ?SLOW),
    await(Anew, "no trainer could start from the database here, which is now "),
    await(Anew, "generation 1 "),
    ?assertMatch([_], filelib:wildcard("Mnesia.*.broken-*", Place)).

torn_backup(Place) ->
    ended(0, train(Place, [], [])),
    [Dump] = dumps(Place),
    Torn = filename:join(Place, "torn.dmp"),
    {ok, Bytes} = file:read_file(Dump),
    ok = file:write_file(Torn, binary:part(Bytes, 0, byte_size(Bytes) * 2 div 3)),
    Output = ended(1, train(Place, [], [{"DXNN_RESTORE_PATH", Torn}])),
    ?assert(has(Output, "torn.dmp cannot be restored: it is torn")).

%% Of all that changes in code between two images, a field is what a dump can't be read with.
other_fields(Place) ->
    ended(0, train(Place, [], [])),
    [Dump] = dumps(Place),
    #{records := #{agent := Fields} = Records} = Description = dxnn_trainer:read(Place),
    Changed = Description#{records := Records#{agent := Fields ++ [fs]}},
    ok = dxnn_trainer:write(Place, Changed),
    Output = ended(1, train(Place, [], [{"DXNN_RESTORE_PATH", Dump}])),
    ?assert(has(Output, "cannot be restored: table agent: the code's record adds fs")).

lacking(Place) ->
    Backup = filename:join(Place, "checkpoint.dmp"),
    Port = start(Place, [], ?SLOW),
    await(Port, "generation 2 "),
    call(Place, "sys:suspend(monitor), mnesia:dirty_delete(agent, "
        "hd(mnesia:dirty_all_keys(agent))), mnesia:backup(\"" ++ Backup ++ "\")."),
    killed(Place, Port),
    Output = ended(1, train(Place, [], [{"DXNN_RESTORE_PATH", Backup}])),
    ?assert(has(Output, "dxnn-train: no trainer can start from the database: specie ")).

kept(Place) ->
    Port = start(Place, [], [{"XOR_GENERATIONS", "500"} | ?SLOW]),
    await(Port, "generation 2 "),
    signal(Port, "TERM"),
    ended(0, finish(Port)),
    Again = start(Place, [], [{"XOR_GENERATIONS", "600"}, {"XOR_RUNS", "4"} | ?SLOW]),
    await(Again, "experiment 'xor' keeps its tot_runs 1, though the code says 4"),
    await(Again, "experiment 'xor' keeps its generation_limit 500, though the code says 600").

benchmarker_crashes(Place) ->
    dies(Place, "exit(whereis(benchmarker), boom).", "the benchmarker died: boom").

benchmarker_terminated(Place) ->
    dies(Place, "benchmarker ! terminate.",
        "the benchmarker ended before experiment 'xor' had completed").

monitor_killed(Place) ->
    dies(Place, "exit(whereis(monitor), kill).", "the population monitor died: killed").

monitor_crashes(Place) ->
    dies(Place, "gen_server:cast(monitor, nonsense).",
        "the population monitor died: {function_clause").

mnesia_ends(Place) ->
    dies(Place, "spawn(fun() -> exit(whereis(mnesia_sup), kill) end).", "mnesia has ended").

stalls(Place) ->
    Port = start(Place, [], [{"DXNN_STALLED_AFTER_SECONDS", "2"} | ?SLOW]),
    await(Port, "generation 2 "),
    call(Place, "spawn(fun() -> exit(boom) end), erlang:suspend_process(whereis(monitor)), "
        "timer:sleep(infinity)."),
    Output = ended(1, finish(Port)),
    [Complaint] = complaints(Output),
    ?assertMatch({match, _}, re:run(Complaint, "^dxnn-train: stalled: no evaluation was counted "
        "and nothing was written to mnesia for 2 s")).

%% DXNN's transaction that makes a population aborts, and nobody tells the benchmarker.
no_monitor(Place) ->
    Break = "io:format(\"~p~n\", [mnesia:delete_table(sensor)])",
    Environment = [{"DXNN_STALLED_AFTER_SECONDS", "30"} | ?SLOW],
    Output = ended(1, train(Place, ["--startup", Break], Environment)),
    ?assert(has(Output, "dxnn-train: stalled: the benchmarker waits for a population monitor, and "
        "there is none")).

%% Whoever counts an evaluation now and then works.
slow(Place) ->
    Environment = [{"DXNN_STALLED_AFTER_SECONDS", "2"}, {"XOR_GENERATION_MS", "900"}],
    Port = start(Place, [], Environment),
    await(Port, "generation 5 ").

dies(Place, Expression, Sentence) ->
    Port = start(Place, [], ?SLOW),
    await(Port, "generation 2 "),
    call(Place, Expression),
    Output = ended(1, finish(Port)),
    ?assert(has(Output, "dxnn-train: " ++ Sentence)).

startup(Place) ->
    Fill = "Fill = fun() -> ets:new('EURUSD15', [named_table]), "
        "[begin ets:insert('EURUSD15', {N}), timer:sleep(50) end || N <- lists:seq(1, 20)], "
        "timer:sleep(infinity) end, spawn(Fill).",
    Wait = "dxnn_launcher:wait_for_table('EURUSD15'), undefined = whereis(polis), "
        "true = is_function(Fill), io:format(\"settled at ~b~n\", [ets:info('EURUSD15', size)])",
    Output = ended(0, train(Place, ["--startup", Fill, "--startup", Wait], [])),
    ?assert(has(Output, "settled at 20\n")).

described_startup(Place) ->
    Description = dxnn_trainer:read(Place),
    Given = "io:format(\"prices are loaded~n\")",
    ok = dxnn_trainer:write(Place, Description#{startup := [Given]}),
    Output = ended(0, train(Place, [], [])),
    ?assert(has(Output, "dxnn-train: start-up as dxnn-build found it: " ++ Given)),
    ?assert(has(Output, "\nprices are loaded\n")),
    Overridden = ended(0, train(Place, ["--startup", ""], [])),
    ?assertNot(has(Overridden, "prices are loaded")).

start_expression(Place) ->
    Start = "io:format(\"~p begins~n\", [Id]), benchmarker:start(Id)",
    Output = ended(0, train(Place, ["--start", Start], [])),
    ?assert(has(Output, "'xor' begins\n")),
    %% What the database has is gone on with.
    Again = ended(0, train(Place, ["--start", Start], [])),
    ?assertNot(has(Again, "begins\n")),
    None = ended(1, train(Place, ["--experiment", "new", "--start", "ok"], [])),
    ?assert(has(None, "--start \"ok\" started no benchmarker")),
    Twice = ["--experiment", "newer", "--startup", "benchmarker:start(newer)"],
    Both = ended(1, train(Place, Twice, ?SLOW)),
    ?assert(has(Both, "the start-up expressions started a benchmarker: --start is for that")).

startup_fails(Place) ->
    Output = ended(1, train(Place, ["--startup", "fx:start()"], [])),
    ?assert(has(Output, "dxnn-train: --startup \"fx:start()\" failed: {error,undef}")),
    ?assertNot(has(Output, "generation ")).

secrets(Place) ->
    Port = start(Place, [], ?SLOW),
    await(Port, "generation 1 "),
    {os_pid, Pid} = erlang:port_info(Port, os_pid),
    {ok, Arguments} = file:read_file("/proc/" ++ integer_to_list(Pid) ++ "/cmdline"),
    {ok, Cookie} = file:read_file(filename:join(Place, ".erlang.cookie")),
    ?assertNotEqual(nomatch, binary:match(Arguments, <<"beam">>)),
    ?assertEqual(nomatch, binary:match(Arguments, string:trim(Cookie))),
    Listens = call(Place, "{ok, P} = inet:parse_address(\"127.0.0.1\"), [P] =:= lists:usort([A || "
        "S <- erlang:ports(), {ok, {A, _}} <- [inet:sockname(S)]])."),
    ?assertEqual("{ok, true}", Listens),
    signal(Port, "TERM"),
    ended(0, finish(Port)).

refusals(Place) ->
    Cookieless = filename:join(Place, "none"),
    [
        begin
            {Code, Output} = train(Place, Arguments, Environment),
            Said = has(Output, "dxnn-train: " ++ Sentence),
            ?assertEqual({Sentence, 2, true}, {Sentence, Code, Said}),
            ?assertEqual(1, length(string:lexemes(Output, "\n")))
        end
     || {Sentence, Arguments, Environment} <- [
            {"unknown argument --loud", ["--loud"], []},
            {"--startup wants a value", ["--startup"], []},
            {"--startup \"fx:\": ", ["--startup", "fx:"], []},
            {"--start \"fx:\": ", ["--start", "fx:"], []},
            {"DXNN_STALLED_AFTER_SECONDS is \"soon\"", [],
                [{"DXNN_STALLED_AFTER_SECONDS", "soon"}]},
            {"which experiment?", [], [{"DXNN_JOB_ID", false}]},
            {"DXNN_RESTORE_PATH is /none", [], [{"DXNN_RESTORE_PATH", "/none"}]},
            {"DXNN_ERLANG_NODE is \"dxnn\"", [], [{"DXNN_ERLANG_NODE", "dxnn"}]},
            {"the cookie file " ++ Cookieless, [], [{"DXNN_ERLANG_COOKIE_FILE", Cookieless}]}
        ]
    ],
    ok = file:del_dir_r(filename:join(Place, "ebin")),
    Output = ended(2, train(Place, [], [])),
    ?assert(has(Output, "dxnn-train: no polis.beam in " ++ Place)).

%% What a trainer runs in: its beams, a cookie, a port for its name server.
in_place(Test) ->
    Place = string:trim(os:cmd("mktemp -d")),
    {ok, Socket} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}]),
    {ok, NameServer} = inet:port(Socket),
    ok = gen_tcp:close(Socket),
    [] = os:cmd("cp -r build/trainer/ebin build/trainer/benchmarks "
        "build/trainer/dxnn_trainer.config " ++ Place),
    Cookie = filename:join(Place, ".erlang.cookie"),
    ok = file:write_file(Cookie, "c" ++ integer_to_list(rand:uniform(1 bsl 60), 36) ++ "\n"),
    ok = file:change_mode(Cookie, 8#400),
    put(name_server, integer_to_list(NameServer)),
    try
        Test(Place)
    after
        [signal(Port, "KILL") || Port <- get_started(), erlang:port_info(Port) =/= undefined],
        stop_name_server(50),
        file:del_dir_r(Place)
    end.

%% It refuses while the name of a killed node has not been given up yet.
stop_name_server(0) ->
    error(name_server_stays);
stop_name_server(Attempts) ->
    case os:cmd("ERL_EPMD_PORT=" ++ get(name_server) ++ " epmd -kill") of
        "Killing not allowed" ++ _ ->
            timer:sleep(100),
            stop_name_server(Attempts - 1);
        _ ->
            ok
    end.

train(Place, Arguments, Environment) ->
    finish(start(Place, Arguments, Environment)).

start(Place, Arguments, Environment) ->
    Settings = [
        {"ERL_EPMD_PORT", get(name_server)},
        {"DXNN_ERLANG_COOKIE_FILE", filename:join(Place, ".erlang.cookie")},
        {"DXNN_JOB_ID", "xor"},
        {"XOR_SEED", "5"},
        {"XOR_RUNS", "1"}
    ],
    Port = open_port({spawn_executable, filename:absname("bin/dxnn-train")}, [
        {args, Arguments}, {env, Settings ++ Environment}, {cd, Place},
        exit_status, stderr_to_stdout
    ]),
    put(started, [Port | get_started()]),
    Port.

get_started() ->
    case get(started) of
        undefined -> [];
        Ports -> Ports
    end.

%% The output of a trainer that ended with that code.
ended(Code, {Status, Output}) ->
    ?assertEqual(Code, Status, string:slice(Output, max(0, length(Output) - 300))),
    Output.

finish(Port) -> finish(Port, "").

finish(Port, Output) ->
    receive
        {Port, {data, Data}} -> finish(Port, Output ++ Data);
        {Port, {exit_status, Status}} -> {Status, Output}
    after 20_000 -> error({still_running, Output})
    end.

%% Waits until the trainer has said something, after what was awaited before; answers all that it
%% said meanwhile.
await(Port, Text) ->
    Said =
        case get({said, Port}) of
            undefined -> "";
            Rest -> Rest
        end,
    case string:find(Said, Text) of
        nomatch ->
            put({said, Port}, Said ++ more(Port, Text, Said)),
            await(Port, Text);
        Found ->
            put({said, Port}, lists:nthtail(length(Text), Found)),
            Said
    end.

more(Port, Text, Said) ->
    receive
        {Port, {data, Data}} -> Data;
        {Port, {exit_status, Status}} -> error({ended, Status, Said})
    after 20_000 -> error({never_said, Text, Said})
    end.

%% Killed between two transactions: in the middle of one, what it leaves may be torn.
killed(Place, Port) -> killed(Place, Port, "dxnn@127.0.0.1").

killed(Place, Port, Node) ->
    call(Place, "sys:suspend(monitor), mnesia:sync_log().", Node),
    signal(Port, "KILL"),
    ended(137, finish(Port)).

signal(Port, Name) ->
    {os_pid, Pid} = erlang:port_info(Port, os_pid),
    os:cmd("kill -" ++ Name ++ " " ++ integer_to_list(Pid)).

%% What the node answers to an expression; erl_call takes its cookie from $HOME.
call(Place, Expression) -> call(Place, Expression, "dxnn@127.0.0.1").

call(Place, Expression, Node) ->
    File = filename:join(Place, "expression"),
    ok = file:write_file(File, [Expression, "\n"]),
    string:trim(os:cmd("HOME=" ++ Place ++ " ERL_EPMD_PORT=" ++ get(name_server) ++
        " erl_call -timeout 20 -n " ++ Node ++ " -e < " ++ File)).

take(Place, Backup) ->
    Taken = "iolist_to_binary(dxnn_checkpoint:take(\"" ++ Backup ++ "\", 9000))",
    Good = "binary:match(" ++ Taken ++ ", <<\"references\">>) =/= nomatch.",
    ?assertEqual("{ok, true}", call(Place, Good)).

species(Place) -> species(Place, "dxnn@127.0.0.1").

species(Place, Node) ->
    call(Place, "lists:sort(mnesia:dirty_all_keys(specie)).", Node).

agents(Place) ->
    string:lexemes(call(Place, "mnesia:dirty_all_keys(agent)."), "{}, []").

%% What the launcher itself said on stderr.
complaints(Output) ->
    [
        Line
     || "dxnn-train: " ++ Rest = Line <- string:lexemes(Output, "\n"),
        not lists:prefix("start-up", Rest),
        not lists:prefix("goes on", Rest)
    ].

dumps(Place) ->
    [filename:join([Place, "checkpoints", Name])
        || Name <- filelib:wildcard("completion-*.dmp", filename:join(Place, "checkpoints"))].

has(Text, Part) ->
    string:find(Text, Part) =/= nomatch.
