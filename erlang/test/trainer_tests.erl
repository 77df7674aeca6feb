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

evolution_solves_xor_test() ->
    rand:seed(exsss, 1),
    {Generation, #agent{network = Network}} = evolve(0, evolution:first(20)),
    ?assert(Generation > 1),
    ?assert(network:neurons(Network) > 1),
    [
        ?assert(network:output(Network, [A, B]) * A * B < 0)
     || A <- [-1.0, 1.0], B <- [-1.0, 1.0]
    ].

evolve(Generation, [Best | _] = Agents) when Generation < 1000 ->
    case Best#agent.fitness >= config:fitness_goal() of
        true ->
            {Generation, Best};
        false ->
            {Next, 10} = evolution:next(Generation + 1, Agents),
            ?assert((hd(Next))#agent.fitness >= Best#agent.fitness),
            evolve(Generation + 1, Next)
    end.

a_bad_setting_is_an_error_test() ->
    os:putenv("XOR_RUNS", "many"),
    try
        ?assertError({bad_setting, "XOR_RUNS", "many", _}, config:runs())
    after
        os:unsetenv("XOR_RUNS")
    end.

%% An experiment that was cut off and continued ends exactly as one that was not.
continued_test_() ->
    {timeout, 30, fun() ->
        Whole = in_polis(fun() ->
            benchmarker:start(xor_whole),
            await_benchmarker(),
            report()
        end),
        Continued = in_polis(fun() ->
            benchmarker:start(xor_cut),
            cut_at_generation(20),
            #population{generation = Generation} = genotype:read({population, xor_population}),
            ?assert(Generation >= 20),
            benchmarker:continue(xor_cut),
            await_benchmarker(),
            #experiment{interruptions = 1, progress_flag = completed} =
                genotype:read({experiment, xor_cut}),
            ?assertMatch([_ | _], filelib:wildcard("checkpoints/completion-*.dmp")),
            report()
        end),
        ?assertEqual(Whole, Continued)
    end}.

cut_at_generation(Wanted) ->
    case genotype:read({population, xor_population}) of
        #population{generation = Generation} when Generation >= Wanted ->
            [kill(Name) || Name <- [benchmarker, monitor]];
        _ ->
            timer:sleep(1),
            cut_at_generation(Wanted)
    end.

kill(Name) ->
    Reference = monitor(process, Name),
    exit(whereis(Name), kill),
    receive
        {'DOWN', Reference, process, _, _} -> ok
    end.

await_benchmarker() ->
    Reference = monitor(process, benchmarker),
    receive
        {'DOWN', Reference, process, _, Reason} -> ?assert(lists:member(Reason, [normal, noproc]))
    end.

report() ->
    {ok, Runs} = file:read_file("benchmarks/report_runs.tsv"),
    {ok, Fitness} = file:read_file("benchmarks/report_fitness.tsv"),
    ?assertEqual(3, length(binary:matches(Runs, <<"\n">>))),
    {Runs, Fitness}.

%% Runs `Test` in a directory and with a database of its own, two runs from one seed.
in_polis(Test) ->
    {ok, Before} = file:get_cwd(),
    Directory = string:trim(os:cmd("mktemp -d")),
    Settings = [{"XOR_SEED", "3"}, {"XOR_RUNS", "2"}, {"XOR_GENERATION_MS", "1"}],
    [os:putenv(Name, Value) || {Name, Value} <- Settings],
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
        [os:unsetenv(Name) || {Name, _} <- Settings],
        file:del_dir_r(Directory)
    end.
