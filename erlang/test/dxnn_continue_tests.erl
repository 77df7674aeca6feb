-module(dxnn_continue_tests).
-compile({parse_transform, eunit_autoexport}).
-include_lib("stdlib/include/assert.hrl").

-define(EXPERIMENT(Traces), {experiment, 'xor', 3, {pmp, test, 50, here}, [{constraint, a, b}], Traces}).
-define(FIELDS, #{
    experiment => [id, tot_runs, pm_parameters, init_constraints, trace_acc],
    pmp => [population_id, evaluations_limit, benchmarker_pid],
    constraint => [morphology, kind],
    population => [id, specie_ids, trace],
    specie => [id, agent_ids]
}).

the_population_of_the_run_in_progress_test() ->
    ?assertEqual(resume, how([], [{population, test, [s], {trace, 4}}, {specie, s, [a]}])),
    ?assertEqual(resume, how([{trace, 3}], [{population, test, [s], {trace, 4}}, {specie, s, [a]}])).

nothing_to_go_on_with_test_() ->
    [
        fun() -> ?assertEqual({anew, Why}, how(Traces, Records)) end
     || {Why, Traces, Records} <- [
            {"it has no population yet", [], []},
            {"its population has no agents", [],
                [{population, test, [s], {trace, 0}}, {specie, s, []}]},
            {"its population is that of the run before", [{trace, 4}],
                [{population, test, [s], {trace, 4}}, {specie, s, [a]}]}
        ]
    ].

a_trainer_that_cannot_be_gone_on_with_test() ->
    ?assertEqual({anew, "why"}, dxnn_continue:how(?EXPERIMENT([]), source([]), "why")).

what_an_experiment_keeps_test() ->
    Same = ?EXPERIMENT([]),
    Source = source([]),
    ?assertEqual([], dxnn_continue:kept(Same, ?EXPERIMENT([1]), Source)),
    Now = {experiment, 'xor', 5, {pmp, test, 70, nobody}, [{constraint, c, b}], []},
    ?assertEqual(
        [
            "tot_runs 3, though the code says 5",
            "evaluations_limit 50, though the code says 70",
            "morphology a, though the code says c"
        ],
        dxnn_continue:kept(Same, Now, Source)
    ),
    More = {experiment, 'xor', 3, {pmp, test, 50, x}, [{constraint, a, b}, {constraint, c, d}], []},
    ?assertMatch(["init_constraints [{constraint,a,b}], though" ++ _],
        dxnn_continue:kept(Same, More, Source)).

how(Traces, Records) -> dxnn_continue:how(?EXPERIMENT(Traces), source(Records), true).

source(Records) ->
    #{
        read => fun(Table, Key) ->
            hd([R || R <- Records, element(1, R) =:= Table, element(2, R) =:= Key] ++ [none])
        end,
        holds => fun(_, _) -> true end,
        keys => fun(_) -> [] end,
        fields => ?FIELDS
    }.
