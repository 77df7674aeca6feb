-module(dxnn_references_tests).
-compile({parse_transform, eunit_autoexport}).
-include_lib("stdlib/include/assert.hrl").

whole_test() ->
    ?assertEqual(ok, check(database())).

what_is_named_must_be_there_test_() ->
    [
        {lists:flatten(io_lib:format("~tp", [{Table, Key}])), fun() ->
            {broken, Sentence} = check(maps:remove({Table, Key}, database())),
            ?assertEqual(Expected, Sentence)
        end}
     || {Table, Key, Expected} <- [
            {specie, s1, "population test names in specie_ids the specie s1, which is not there"},
            {agent, a2, "specie s1 names in agent_ids the agent a2, which is not there"},
            {agent, best, "specie s1 names in hall_of_fame the agent best, which is not there"},
            {cortex, c1, "agent a1 names in cx_id the cortex c1, which is not there"},
            {neuron, n2, "cortex c1 names in neuron_ids the neuron n2, which is not there"},
            {sensor, i1, "cortex c1 names in sensor_ids the sensor i1, which is not there"},
            {actuator, o1, "cortex c1 names in actuator_ids the actuator o1, which is not there"},
            {substrate, sub, "agent a2 names in substrate_id the substrate sub, which is not there"},
            {sensor, cpp, "substrate sub names in cpp_ids the sensor cpp, which is not there"},
            {actuator, cep, "substrate sub names in cep_ids the actuator cep, which is not there"}
        ]
    ].

%% Nothing was trained yet: the run begins with a new population, as it would have.
a_population_that_is_not_there_yet_test() ->
    ?assertEqual(ok, check(maps:remove({population, test}, database()))).

%% A trainer never starts from the population of an experiment that has completed.
only_experiments_in_progress_are_followed_test() ->
    Database = maps:remove({specie, s1}, database()),
    Completed = Database#{{experiment, xor1} := {experiment, xor1, completed, {pmp, test}}},
    ?assertEqual(ok, check(Completed)),
    ?assertEqual([], dxnn_references:populations(source(Completed))).

a_database_of_another_kind_test() ->
    ?assertEqual(ok, check(#{})),
    ?assertEqual(ok, check(#{{experiment, xor1} => {experiment, xor1, in_progress, unknown}})).

check(Database) -> dxnn_references:check(source(Database)).

source(Database) ->
    #{
        read => fun(Table, Key) -> maps:get({Table, Key}, Database, none) end,
        holds => fun(Table, Key) -> maps:is_key({Table, Key}, Database) end,
        keys => fun(Table) -> [Key || {T, Key} <- maps:keys(Database), T =:= Table] end,
        fields => #{
            experiment => [id, progress_flag, pm_parameters],
            pmp => [population_id],
            population => [id, specie_ids],
            specie => [id, agent_ids, hall_of_fame],
            champion => [id, fitness],
            agent => [id, cx_id, substrate_id],
            cortex => [id, neuron_ids, sensor_ids, actuator_ids],
            substrate => [id, cpp_ids, cep_ids]
        }
    }.

database() ->
    Records = [
        {experiment, xor1, in_progress, {pmp, test}},
        {population, test, [s1]},
        {specie, s1, [a1, a2], [{champion, best, 1.0}]},
        {agent, a1, c1, undefined},
        {agent, a2, c2, sub},
        {agent, best, c2, undefined},
        {cortex, c1, [n1, n2], [i1], [o1]},
        {cortex, c2, [n1], [i1], [o1]},
        {substrate, sub, [cpp], [cep]},
        {neuron, n1, any},
        {neuron, n2, any},
        {sensor, i1, any},
        {sensor, cpp, any},
        {actuator, o1, any},
        {actuator, cep, any}
    ],
    maps:from_list([{{element(1, R), element(2, R)}, R} || R <- Records]).
