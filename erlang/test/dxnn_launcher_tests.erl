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
        case_of("torn backup", fun torn_backup/1),
        case_of("benchmarker crashes", fun benchmarker_crashes/1),
        case_of("benchmarker is told to terminate", fun benchmarker_terminated/1),
        case_of("monitor is killed", fun monitor_killed/1),
        case_of("monitor crashes", fun monitor_crashes/1),
        case_of("startup expressions", fun startup/1),
        case_of("a startup expression fails", fun startup_fails/1),
        case_of("loopback only, cookie not to be seen", fun secrets/1),
        case_of("refusals", fun refusals/1)
    ]}.

a_table_that_stays_empty_is_an_error_test() ->
    Table = ets:new(empty, [named_table]),
    ?assertError({table_not_settled, empty, {size, 0}}, dxnn_launcher:wait_for_table(Table, 300)).

case_of(Name, Test) ->
    {Name, {timeout, 50, fun() -> in_place(Test) end}}.

completes(Place) ->
    Output = ended(0, train(Place, [], [])),
    ?assert(has(Output, "wrote benchmarks/report_runs.tsv")),
    ?assertMatch([_], dumps(Place)),
    Again = ended(0, train(Place, [], [])),
    ?assert(has(Again, "has completed already")),
    ?assertNot(has(Again, "generation ")).

term(Place) ->
    Port = start(Place, [], ?SLOW),
    await(Port, "generation 3 "),
    signal(Port, "TERM"),
    Output = ended(0, finish(Port)),
    ?assertNot(has(Output, "dxnn-train:")),
    ?assertEqual([], dumps(Place)),
    %% What the database holds is gone on from, with nothing to restore.
    Continued = ended(0, train(Place, [], [])),
    ?assert(has(Continued, "resumed at generation ")).

restore(Place) ->
    Backup = filename:join(Place, "checkpoint.dmp"),
    Port = start(Place, [], ?SLOW),
    await(Port, "generation 5 "),
    "{ok, ok}" = call(Place, "mnesia:backup(\"" ++ Backup ++ "\")."),
    signal(Port, "KILL"),
    ended(137, finish(Port)),
    Environment = [{"DXNN_RESTORE_PATH", Backup}],
    Same = ended(0, train(Place, [], Environment)),
    Other = ended(0, train(Place, [], [{"DXNN_ERLANG_NODE", "other@localhost"} | Environment])),
    [?assertMatch({match, _}, re:run(Output, "resumed at generation ([5-9]|\\d\\d)\n"))
        || Output <- [Same, Other]],
    ?assert(filelib:is_dir(filename:join(Place, "Mnesia.other@localhost"))),
    Fresh = ended(0, train(Place, ["--experiment", "another"], Environment)),
    ?assert(has(Fresh, "holds no experiment another: it starts from the beginning")).

torn_backup(Place) ->
    ended(0, train(Place, [], [])),
    [Dump] = dumps(Place),
    Torn = filename:join(Place, "torn.dmp"),
    {ok, Bytes} = file:read_file(Dump),
    ok = file:write_file(Torn, binary:part(Bytes, 0, byte_size(Bytes) * 2 div 3)),
    Output = ended(1, train(Place, [], [{"DXNN_RESTORE_PATH", Torn}])),
    ?assert(has(Output, "torn.dmp cannot be restored: it is torn")).

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
    [] = os:cmd("cp -r build/trainer/ebin build/trainer/benchmarks " ++ Place),
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

await(Port, Text) -> await(Port, Text, "").

await(Port, Text, Output) ->
    receive
        {Port, {data, Data}} ->
            has(Output ++ Data, Text) orelse await(Port, Text, Output ++ Data);
        {Port, {exit_status, Status}} ->
            error({ended, Status, Output})
    after 20_000 -> error({never_said, Text, Output})
    end.

signal(Port, Name) ->
    {os_pid, Pid} = erlang:port_info(Port, os_pid),
    os:cmd("kill -" ++ Name ++ " " ++ integer_to_list(Pid)).

%% What the node answers to an expression; erl_call takes its cookie from $HOME.
call(Place, Expression) ->
    File = filename:join(Place, "expression"),
    ok = file:write_file(File, [Expression, "\n"]),
    string:trim(os:cmd("HOME=" ++ Place ++ " ERL_EPMD_PORT=" ++ get(name_server) ++
        " erl_call -n dxnn@127.0.0.1 -e < " ++ File)).

dumps(Place) ->
    [filename:join([Place, "checkpoints", Name])
        || Name <- filelib:wildcard("completion-*.dmp", filename:join(Place, "checkpoints"))].

has(Text, Part) ->
    string:find(Text, Part) =/= nomatch.
