%% dxnn_resumed, made from small trainers with DXNN's shapes: each test writes their source.
-module(dxnn_resume_tests).
-compile({parse_transform, eunit_autoexport}).
-include_lib("stdlib/include/assert.hrl").

-define(RECORDS, "-record(experiment, {id, pm_parameters, progress_flag = in_progress}).\n"
    "-record(pmp, {population_id = test, evaluations_limit = 10, benchmarker_pid}).\n").

%% What is in all of them: runs are told to the process `witness`.
-define(BENCHMARKER, "-module(benchmarker).\n"
    "-export([start/1, continue/1, prep/1, loop/2]).\n"
    "-include(\"records.hrl\").\n"
    "loop(E, P) -> witness ! {loop, E#experiment.id, P}.\n").

-define(START, "start(Id) ->\n"
    "    io:format(\"begins~n\"),\n"
    "    E = #experiment{id = Id, pm_parameters = #pmp{evaluations_limit = 7}},\n"
    "    genotype:write(E),\n"
    "    register(benchmarker, spawn(benchmarker, prep, [E])).\n").

-define(CONTINUE, "continue(Id) -> register(benchmarker, spawn(benchmarker, prep,"
    " [#experiment{id = Id, pm_parameters = #pmp{}}])).\n").

-define(PREP, "prep(E) ->\n"
    "    PMP = E#experiment.pm_parameters,\n"
    "    population_monitor:prep_PopState(PMP, []),\n"
    "    loop(E, PMP#pmp.population_id).\n").

-define(MONITOR, "-module(population_monitor).\n"
    "-export([start/1, start_link/1, prep_PopState/2, init_population/2]).\n"
    "-include(\"records.hrl\").\n"
    "-record(state, {population_id, limit}).\n"
    "start(S) -> witness ! {started, S}.\n"
    "start_link(S) -> witness ! {linked, S}.\n").

-define(PREP_STATE, "prep_PopState(PMP, Constraints) ->\n"
    "    S = #state{population_id = PMP#pmp.population_id, limit = PMP#pmp.evaluations_limit},\n"
    "    init_population(S, Constraints).\n").

-define(INIT, "init_population(S, _) ->\n"
    "    witness ! deleted,\n"
    "    case get(never) of\n"
    "        undefined -> population_monitor:start(S);\n"
    "        Error -> Error\n"
    "    end.\n").

resumes_test_() ->
    [
        {Name, fun() -> resumes(Benchmarker, Monitor, Started) end}
     || {Name, Benchmarker, Monitor, Started} <- [
            {"as DXNN has it", [?START, ?CONTINUE, ?PREP], [?PREP_STATE, ?INIT], started},
            {"?MODULE and a fun", [
                "start(Id) -> genotype:write(#experiment{id = Id, pm_parameters = #pmp{}}).\n",
                "continue(Id) -> spawn(fun() -> ?MODULE:prep(#experiment{id = Id,"
                " pm_parameters = #pmp{}}) end).\n",
                ?PREP
            ], [?PREP_STATE, ?INIT], started},
            {"helpers of their own, not exported", [
                ?START,
                "continue(Id) -> launch(#experiment{id = Id, pm_parameters = #pmp{}}).\n"
                "launch(E) -> spawn(?MODULE, prep, [E]).\n"
                "prep(E) -> begin_run(E), benchmarker:loop(E, test).\n"
                "begin_run(E) ->"
                " population_monitor:prep_PopState(E#experiment.pm_parameters, []).\n"
            ], [
                "prep_PopState(PMP, C) -> init_population(state(PMP), C).\n"
                "state(PMP) -> #state{population_id = PMP#pmp.population_id,"
                " limit = PMP#pmp.evaluations_limit}.\n",
                ?INIT
            ], started},
            {"a monitor that is linked", [?START, ?CONTINUE, ?PREP], [
                ?PREP_STATE,
                "init_population(S, _) -> witness ! deleted, start_link(S).\n"
            ], linked}
        ]
    ].

resumes(Benchmarker, Monitor, Started) ->
    with([?BENCHMARKER | Benchmarker], [?MONITOR | Monitor], fun(Place) ->
        ?assertEqual(ok, dxnn_resume:make(Place, Place)),
        load(Place, [benchmarker, population_monitor, dxnn_resumed]),
        dxnn_resumed:continue(mine),
        ?assertEqual([{Started, {state, test, 10}}, {loop, mine, test}], next(2)),
        await_none(benchmarker),
        %% The trainer itself is left as it was.
        benchmarker:continue(mine),
        ?assertEqual(
            [deleted, {Started, {state, test, 10}}, {loop, mine, test}], next(3)
        )
    end).

what_an_experiment_would_begin_with_test() ->
    with([?BENCHMARKER, ?START, ?CONTINUE, ?PREP], [?MONITOR, ?PREP_STATE, ?INIT], fun(Place) ->
        ok = dxnn_resume:make(Place, Place),
        load(Place, [dxnn_resumed]),
        Begun = {experiment, mine, {pmp, test, 7, undefined}, in_progress},
        ?assertEqual(Begun, dxnn_resumed:experiment(mine))
    end).

a_start_of_another_shape_is_no_hindrance_test() ->
    Start = "start(Id) -> spawn(?MODULE, prep, [#experiment{id = Id}]).\n",
    with([?BENCHMARKER, Start, ?CONTINUE, ?PREP], [?MONITOR, ?PREP_STATE, ?INIT], fun(Place) ->
        ?assertEqual(ok, dxnn_resume:make(Place, Place)),
        load(Place, [dxnn_resumed]),
        ?assertNot(erlang:function_exported(dxnn_resumed, experiment, 1))
    end).

refusals_test_() ->
    Known = {[?BENCHMARKER, ?START, ?CONTINUE, ?PREP], [?MONITOR, ?PREP_STATE, ?INIT]},
    {Benchmarker, Monitor} = Known,
    [
        {Sentence, fun() ->
            with(B, M, fun(Place) ->
                ?assertEqual({no, Sentence}, dxnn_resume:make(Place, Place)),
                ?assertNot(filelib:is_file(filename:join(Place, "dxnn_resumed.beam")))
            end)
        end}
     || {Sentence, B, M} <- [
            {"benchmarker.erl has no function continue/1", Benchmarker -- [?CONTINUE], Monitor},
            {"benchmarker.erl has no function prep/1", Benchmarker -- [?PREP], Monitor},
            {"population_monitor.erl has no function init_population/2", Benchmarker,
                Monitor -- [?INIT]},
            {"population_monitor.erl has no function prep_PopState/2", Benchmarker,
                Monitor -- [?PREP_STATE]},
            {"benchmarker:continue/1 does not run prep/1",
                [?BENCHMARKER, ?START, "continue(_) -> ok.\n", ?PREP], Monitor},
            {"benchmarker:prep/1 does not call population_monitor:prep_PopState/2",
                [?BENCHMARKER, ?START, ?CONTINUE, "prep(E) -> loop(E, test).\n"], Monitor},
            {"population_monitor:prep_PopState/2 does not call init_population/2", Benchmarker,
                [?MONITOR, "prep_PopState(_, _) -> ok.\n", ?INIT]},
            {"population_monitor:init_population/2 does not start the monitor by start/1",
                Benchmarker, [?MONITOR, ?PREP_STATE, "init_population(S, _) -> spawn(S).\n"]},
            {"benchmarker.erl and population_monitor.erl define records differently", Benchmarker,
                ["-module(population_monitor).\n-record(pmp, {population_id}).\n"]},
            {"benchmarker.erl does not export loop/2",
                [string:replace(?BENCHMARKER, ", loop/2", "") | tl(Benchmarker)], Monitor}
        ]
    ].

%% Runs `Test` with the directory of such a trainer; it is `witness` to what the modules do.
with(Benchmarker, Monitor, Test) ->
    Place = string:trim(os:cmd("mktemp -d")),
    [
        ok = file:write_file(filename:join(Place, Name), Text)
     || {Name, Text} <- [
            {"records.hrl", ?RECORDS},
            {"benchmarker.erl", Benchmarker},
            {"population_monitor.erl", Monitor}
        ]
    ],
    register(witness, self()),
    try
        Test(Place)
    after
        unregister(witness),
        [unload(Module) || Module <- [benchmarker, population_monitor, dxnn_resumed]],
        file:del_dir_r(Place)
    end.

load(Place, Modules) ->
    [
        begin
            Source = filename:join(Place, atom_to_list(Module) ++ ".erl"),
            filelib:is_file(Source) andalso
                ({ok, Module} = compile:file(Source, [{outdir, Place}, nowarn_unused_record])),
            {module, Module} = code:load_abs(filename:join(Place, atom_to_list(Module)))
        end
     || Module <- Modules
    ].

unload(Module) ->
    code:purge(Module),
    code:delete(Module),
    code:purge(Module).

await_none(Name) ->
    whereis(Name) =:= undefined orelse (timer:sleep(1) =:= ok andalso await_none(Name)).

%% The next messages, in the order in which they came.
next(Count) ->
    [
        receive
            Message -> Message
        after 2000 -> nothing
        end
     || _ <- lists:seq(1, Count)
    ].
