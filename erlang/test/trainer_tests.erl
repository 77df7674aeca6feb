%% The trainer of our own: run with build/trainer/ebin on the code path.
-module(trainer_tests).
-compile({parse_transform, eunit_autoexport}).
-include_lib("stdlib/include/assert.hrl").
-include("../trainer/records.hrl").

-define(BIAS, {0.0, 0}).
-define(A, {0.0, 1}).
-define(B, {0.0, 2}).
-define(OUTPUT, {1.0, 1}).

%% XOR as "A or B, but not both": two hidden neurons with weights set by hand.
xor_by_hand() ->
    [
        {{0.5, 2}, [{?A, 9.0}, {?B, 9.0}, {?BIAS, 9.0}]},
        {{0.5, 3}, [{?A, 9.0}, {?B, 9.0}, {?BIAS, -9.0}]},
        {?OUTPUT, [{{0.5, 2}, 9.0}, {{0.5, 3}, -9.0}, {?BIAS, -9.0}]}
    ].

one_neuron_is_a_weighted_sum_test() ->
    Network = [{?OUTPUT, [{?A, 0.5}, {?B, -0.25}, {?BIAS, 0.1}]}],
    ?assertEqual(math:tanh(0.5 * 1.0 - 0.25 * -1.0 + 0.1), network:output(Network, [1.0, -1.0])).

signals_pass_through_the_layers_test() ->
    Network = [{{0.5, 2}, [{?A, 2.0}]}, {?OUTPUT, [{{0.5, 2}, 3.0}]}],
    ?assertEqual(math:tanh(3.0 * math:tanh(2.0)), network:output(Network, [1.0, 0.0])).

xor_by_hand_is_fit_test() ->
    ?assert(xor_scape:fitness(xor_by_hand()) > 0.99).

the_smallest_network_cannot_do_xor_test() ->
    rand:seed(exsss, 1),
    Fitnesses = [xor_scape:fitness(network:new()) || _ <- lists:seq(1, 1000)],
    ?assert(lists:max(Fitnesses) < 0.5).

add_neuron_splices_a_link_test() ->
    Network = [{?OUTPUT, [{?A, 0.7}]}],
    ?assertEqual(
        [{{0.5, 2}, [{?A, 1.0}]}, {?OUTPUT, [{{0.5, 2}, 0.7}]}],
        mutation:add_neuron(Network)
    ).

add_link_links_what_was_not_linked_test() ->
    Network = [{?OUTPUT, [{?A, 0.7}]}],
    Linked = mutation:add_link(mutation:add_link(Network)),
    All = [{?BIAS, ?OUTPUT}, {?A, ?OUTPUT}, {?B, ?OUTPUT}],
    ?assertEqual(All, lists:sort(network:links(Linked))),
    ?assertEqual(Linked, mutation:add_link(Linked)).

perturbation_keeps_the_topology_test() ->
    Network = xor_by_hand(),
    Perturbed = mutation:perturb_weights(Network),
    ?assertEqual(network:links(Network), network:links(Perturbed)),
    ?assertNotEqual(Network, Perturbed).

%% However often a network is mutated, each signal is there before it is needed.
mutants_stay_feedforward_test() ->
    rand:seed(exsss, 7),
    lists:foldl(
        fun(_, Network) ->
            ?assert(lists:all(fun({{From, _}, {To, _}}) -> From < To end, network:links(Network))),
            ?assertEqual(lists:sort(Network), Network),
            ?assert(abs(network:output(Network, [1.0, -1.0])) =< 1.0),
            mutation:mutate(Network)
        end,
        network:new(),
        lists:seq(1, 150)
    ).

tuning_never_loses_fitness_test() ->
    rand:seed(exsss, 1),
    Network = network:new(),
    {Begin, Network} = evolution:tune(undefined, Network),
    ?assertEqual(xor_scape:fitness(Network), Begin),
    lists:foldl(
        fun(_, {Fitness, Tuned}) ->
            {Next, _} = Result = evolution:tune(Fitness, Tuned),
            ?assert(Next >= Fitness),
            Result
        end,
        {Begin, Network},
        lists:seq(1, 50)
    ).

the_fitter_share_wins_test() ->
    Rated = [{0.1, a}, {0.4, b}, {0.3, c}, {0.4, d}, {0.2, e}],
    ?assertEqual({[b, d], [c, e, a]}, evolution:select(Rated, 0.5)),
    ?assertEqual({[a], []}, evolution:select([{0.1, a}], 0.5)).

statistics_test() ->
    ?assertEqual({2.5, 1.5, 4.0, 1.0}, evolution:statistics([1.0, 4.0])),
    ?assertEqual({0.0, 0.0, 0.0, 0.0}, evolution:statistics([])).

a_bad_setting_is_an_error_test() ->
    os:putenv("XOR_RUNS", "many"),
    try
        ?assertError({bad_setting, "XOR_RUNS", "many", _}, config:runs())
    after
        os:unsetenv("XOR_RUNS")
    end.

a_stored_network_is_the_same_network_test() ->
    in_polis([], fun() ->
        {atomic, Id} = mnesia:transaction(fun() ->
            genotype:construct_agent(some_specie, 0, {const, 3}, xor_by_hand())
        end),
        ?assertEqual(xor_by_hand(), genotype:network(Id)),
        ?assertEqual(3, genotype:neurons(Id)),
        Perturbed = mutation:perturb_weights(xor_by_hand()),
        genotype:write_result(Id, 0.5, Perturbed),
        ?assertEqual(Perturbed, genotype:network(Id)),
        ?assertMatch(#agent{fitness = 0.5, generation = 0}, genotype:dirty_read({agent, Id})),
        Tables = [agent, cortex, neuron, sensor, actuator],
        ?assertEqual([1, 1, 3, 2, 1], [mnesia:table_info(Table, size) || Table <- Tables]),
        {atomic, _} = mnesia:transaction(fun() -> genotype:delete_agent(Id) end),
        genotype:write_result(Id, 0.6, Perturbed),
        ?assertEqual([0, 0, 0, 0, 0], [mnesia:table_info(Table, size) || Table <- Tables])
    end).

experiment_test_() ->
    {timeout, 60, fun() ->
        in_polis([], fun() ->
            benchmarker:start(xor_model),
            await_end(benchmarker),
            #experiment{progress_flag = completed, trace_acc = Traces, interruptions = []} =
                genotype:dirty_read({experiment, xor_model}),
            [?assert(best(Trace) >= config:fitness_goal()) || Trace <- Traces],
            [assert_every_step_once(Trace) || Trace <- Traces],
            ?assertMatch([_ | _], filelib:wildcard("checkpoints/completion-*.dmp")),
            ?assertEqual([["1", evaluations(lists:last(Traces))], ["2", evaluations(hd(Traces))]], [
                [Run, Evaluations]
             || [Run, _Best, _Neurons, Evaluations] <- tsv("benchmarks/report_runs.tsv")
            ]),
            ?assertEqual(
                lists:sum([length(Stats) || #trace{stats = Stats} <- Traces]),
                length(tsv("benchmarks/report_fitness.tsv"))
            )
        end)
    end}.

best(#trace{stats = [Last | _]}) ->
    lists:max([Max || #stat{max_fitness = Max} <- Last]).

%% Every step is as long as it should be, the last as long as there was something left.
assert_every_step_once(#trace{stats = Stats, step_size = 100, tot_evaluations = Total}) ->
    [Last | Full] = [Evaluations || [#stat{evaluations = Evaluations}] <- Stats],
    ?assertEqual([], [Evaluations || Evaluations <- Full, Evaluations =/= 100]),
    ?assert(Last > 0 andalso Last =< 100),
    ?assertEqual(Total, Last + lists:sum(Full)),
    Times = [Time || [#stat{time_stamp = Time}] <- Stats],
    ?assertEqual(Times, lists:reverse(lists:usort(Times))).

evaluations(#trace{tot_evaluations = Total}) -> integer_to_list(Total).

a_run_ends_at_its_limit_test_() ->
    {timeout, 30, fun() ->
        in_polis([{"XOR_EVALUATIONS", "120"}, {"XOR_RUNS", "1"}], fun() ->
            benchmarker:start(xor_model),
            await_end(benchmarker),
            %% Agents are 20, each is evaluated three times, and a generation is not cut off.
            #experiment{trace_acc = [#trace{stats = [[Rest], [Full]], tot_evaluations = 120}]} =
                genotype:dirty_read({experiment, xor_model}),
            ?assertMatch({100, 20}, {Full#stat.evaluations, Rest#stat.evaluations})
        end)
    end}.

%% Like DXNN's: the benchmarker begins the run in progress anew, with another population.
continue_begins_the_run_anew_test_() ->
    endless(fun(_State) ->
        [cut(Name) || Name <- [benchmarker, monitor]],
        await_agents(),
        Before = population(),
        benchmarker:continue(xor_model),
        ?assertMatch(
            #experiment{run_index = 1, interruptions = [{_, _, _}], progress_flag = in_progress},
            genotype:dirty_read({experiment, xor_model})
        ),
        await(fun() -> whereis(monitor) =/= undefined end),
        After = population(),
        ?assertMatch([_], After#population.specie_ids),
        ?assertNotEqual(Before#population.specie_ids, After#population.specie_ids),
        ?assert((After#population.trace)#trace.tot_evaluations < 300),
        %% Nothing is left of the other population.
        ?assertEqual(After#population.specie_ids, mnesia:dirty_all_keys(specie))
    end).

%% Like DXNN's: the monitor itself goes on with what it finds, from the last step on.
a_monitor_goes_on_test_() ->
    endless(fun(State) ->
        cut(monitor),
        await_agents(),
        #population{specie_ids = [SpecieId], trace = Trace} = population(),
        #specie{agent_ids = AgentIds} = genotype:dirty_read({specie, SpecieId}),
        Networks = lists:sort([genotype:network(Id) || Id <- AgentIds]),
        %% Time to look before an agent is done.
        os:putenv("XOR_GENERATION_MS", "600"),
        {ok, Monitor} = population_monitor:start(State),
        ?assertEqual(Monitor, whereis(monitor)),
        ?assertMatch(#specie{agent_ids = AgentIds}, genotype:dirty_read({specie, SpecieId})),
        ?assertEqual(Networks, lists:sort([genotype:network(Id) || Id <- AgentIds])),
        await(fun() -> evaluated() > Trace#trace.tot_evaluations end),
        #population{specie_ids = [SpecieId], trace = Longer} = population(),
        ?assert(lists:suffix(Trace#trace.stats, Longer#trace.stats)),
        #specie{agent_ids = Later} = genotype:dirty_read({specie, SpecieId}),
        ?assertMatch([_ | _], [Id || Id <- Later, lists:member(Id, AgentIds)]),
        %% The benchmarker waits for its run as before.
        gen_server:cast(monitor, {stop, normal}),
        await(fun() ->
            #experiment{run_index = Run} = genotype:dirty_read({experiment, xor_model}),
            Run =:= 2
        end),
        #experiment{trace_acc = [Whole]} = genotype:dirty_read({experiment, xor_model}),
        assert_steps_add_up(Whole)
    end).

assert_steps_add_up(#trace{stats = Stats, tot_evaluations = Total}) ->
    ?assertEqual(Total, lists:sum([Evaluations || [#stat{evaluations = Evaluations}] <- Stats])).

%% Like DXNN's: what a transaction deletes of agents is gone before it is through, for whoever
%% looks, and for good. There is no run from what is left.
deletion_is_torn_test_() ->
    endless(fun(State) ->
        [cut(Name) || Name <- [benchmarker, monitor]],
        await_agents(),
        Delete = fun() ->
            population_monitor:delete_population(xor_population),
            mnesia:abort(cut_off)
        end,
        ?assertEqual({aborted, cut_off}, mnesia:transaction(Delete)),
        #population{specie_ids = [SpecieId]} = population(),
        #specie{agent_ids = [AgentId | _]} = genotype:dirty_read({specie, SpecieId}),
        ?assertEqual(undefined, genotype:dirty_read({agent, AgentId})),
        ?assertEqual(0, mnesia:table_info(neuron, size)),
        #experiment{init_constraints = Constraints} = genotype:dirty_read({experiment, xor_model}),
        ok = population_monitor:init_population(State, Constraints),
        ?assertEqual(undefined, whereis(monitor))
    end).

the_benchmarker_outlives_its_monitor_test_() ->
    endless(fun(_State) ->
        cut(monitor),
        timer:sleep(200),
        ?assertEqual(undefined, whereis(monitor)),
        ?assertMatch({status, waiting}, process_info(whereis(benchmarker), status)),
        benchmarker ! terminate,
        await_end(benchmarker)
    end).

%% Calls `Test` in the midst of a run that never ends, with the #state{} that it was started with.
endless(Test) ->
    E = #experiment{
        id = xor_model,
        pm_parameters = #pmp{
            population_id = xor_population, specie_size_limit = 20, init_specie_size = 20
        },
        init_constraints = [#constraint{morphology = xor_scape}],
        tot_runs = 2
    },
    {timeout, 60, fun() ->
        in_polis([{"XOR_GENERATION_MS", "20"}], fun() ->
            genotype:write(E),
            erlang:trace_pattern({population_monitor, start, 1}, true, []),
            erlang:trace(new_processes, true, [call]),
            register(benchmarker, spawn(benchmarker, prep, [E])),
            State =
                receive
                    {trace, _, call, {population_monitor, start, [Started]}} -> Started
                end,
            erlang:trace(all, false, [call]),
            await(fun() -> whereis(monitor) =/= undefined andalso evaluated() >= 300 end),
            try
                Test(State)
            after
                [cut(Name) || Name <- [benchmarker, monitor], whereis(Name) =/= undefined],
                await_agents()
            end
        end)
    end}.

%% A monitor is killed between two messages: amid a selection it would leave torn species.
cut(Name) ->
    Name =:= monitor andalso sys:suspend(monitor),
    exit(whereis(Name), kill),
    await_end(Name).

%% The agents of a monitor that was killed go on to their end.
await_agents() ->
    Agent = {initial_call, {exoself, prep, 4}},
    await(fun() -> [P || P <- processes(), process_info(P, initial_call) =:= Agent] =:= [] end).

await(Condition) ->
    Condition() orelse
        begin
            timer:sleep(5),
            await(Condition)
        end.

await_end(Name) ->
    Reference = monitor(process, Name),
    receive
        {'DOWN', Reference, process, _, Reason} ->
            ?assert(lists:member(Reason, [normal, noproc, killed]))
    end.

population() ->
    genotype:dirty_read({population, xor_population}).

evaluated() ->
    #population{trace = #trace{tot_evaluations = Evaluations}} = population(),
    Evaluations.

tsv(File) ->
    {ok, Text} = file:read_file(File),
    [_Header | Lines] = string:lexemes(binary_to_list(Text), "\n"),
    [string:lexemes(Line, "\t") || Line <- Lines].

%% Runs `Test` in a directory and with a database of its own; small runs from one seed, unless
%% `Settings` say otherwise.
in_polis(Settings, Test) ->
    {ok, Before} = file:get_cwd(),
    Directory = string:trim(os:cmd("mktemp -d")),
    All = [{"XOR_SEED", "3"}, {"XOR_RUNS", "2"}, {"XOR_STEP", "100"}] ++ Settings,
    [os:putenv(Name, Value) || {Name, Value} <- All],
    logger:set_primary_config(level, critical),
    application:load(mnesia),
    application:set_env(mnesia, dir, filename:join(Directory, "db")),
    ok = file:set_cwd(Directory),
    ok = file:make_dir("benchmarks"),
    try
        ok = polis:create(),
        Test()
    after
        mnesia:stop(),
        file:set_cwd(Before),
        [os:unsetenv(Name) || {Name, _} <- All],
        file:del_dir_r(Directory)
    end.
