-module(dxnn_schema_tests).
-compile({parse_transform, eunit_autoexport}).
-include_lib("stdlib/include/assert.hrl").

the_same_fields_test() ->
    ?assertEqual(ok, dxnn_schema:tables(#{agent => [id, cx_id]}, #{agent => [id, cx_id]})).

what_only_one_of_them_has_does_not_matter_test() ->
    ?assertEqual(ok, dxnn_schema:tables(#{prices => [id, v]}, #{agent => [id, cx_id]})).

other_fields_test_() ->
    [
        fun() -> ?assertEqual({differs, Sentence}, dxnn_schema:tables(#{agent => Dump}, #{agent => Code})) end
     || {Sentence, Dump, Code} <- [
            {"table agent: the code's record adds fs", [id, cx_id], [id, cx_id, fs]},
            {"table agent: the code's record lacks cx_id", [id, cx_id], [id]},
            {"table agent: the code's record lacks cx_id and the code's record adds a, b",
                [id, cx_id], [id, a, b]},
            {"table agent: the code's record has its fields in another order", [id, cx_id],
                [cx_id, id]}
        ]
    ].

records_within_records_test_() ->
    Stored = {experiment, 'xor', {pmp, test, 10}, [{constraint, xor_mimic}], [{trace, [[{stat, 1}]]}]},
    Source = #{
        read => fun(experiment, 'xor') -> Stored end,
        holds => fun(_, _) -> true end,
        keys => fun(experiment) -> ['xor']; (_) -> [] end,
        fields => #{}
    },
    Code = #{pmp => [population_id, limit], constraint => [morphology], stat => [n]},
    [
        fun() -> ?assertEqual(ok, dxnn_schema:within(Source, Code)) end,
        fun() -> ?assertEqual(
            {differs, "a record pmp has 2 fields, in the code it has 3 (population_id, limit, new)"},
            dxnn_schema:within(Source, Code#{pmp := [population_id, limit, new]})
        ) end,
        fun() -> ?assertMatch({differs, "a record constraint has 1 fields" ++ _},
            dxnn_schema:within(Source, Code#{constraint := [morphology, new]})) end,
        fun() -> ?assertMatch({differs, "a record stat has 1 fields" ++ _},
            dxnn_schema:within(Source, Code#{stat := []})) end
    ].
