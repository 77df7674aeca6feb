-module(dxnn_trainer_tests).
-compile({parse_transform, eunit_autoexport}).
-include_lib("stdlib/include/assert.hrl").

-define(FX, {"fx.erl", "-module(fx).\n-export([init/0, start/0]).\ninit() -> ok.\nstart() -> ok.\n"}).

described_test_() ->
    [
        {Name, fun() -> ?assertEqual(Expected, maps:get(startup, described(Files))) end}
     || {Name, Expected, Files} <- [
            {"nothing beside polis", [], [benchmarker("xor_mimic")]},
            {"prices that nobody trades on", [], [benchmarker("xor_mimic"), ?FX]},
            {"a trader with a config",
                ["fx:init(), fx:start(), "
                    "dxnn_launcher:wait_for_table(config:primary_currency_pair())"],
                [benchmarker("Morphology"), ?FX,
                    {"config.erl", "-module(config).\nprimary_currency_pair() -> 'EURUSD15'.\n"}]},
            {"a trader without",
                ["fx:init(), fx:start(), dxnn_launcher:wait_for_table('EURUSD15')"],
                [benchmarker("forex_trader"), ?FX, {"fx_tables/EURUSD15.txt", "prices"}]}
        ]
    ].

report_directory_test_() ->
    [
        fun() -> ?assertEqual(Expected, maps:get(report_directory, described([{"benchmarker.erl", Text}]))) end
     || {Expected, Text} <- [
            {"results/", "-module(benchmarker).\n-define(DIR, \"results/\").\n"
                "report(_, Name) -> {ok, _} = file:open(?DIR ++ Name ++ \"_Trace\", write).\n"},
            {"found/", "-module(benchmarker).\n"
                "report(_, Name) -> ok = file:write_file(\"found/\" ++ Name, <<>>).\n"},
            {none, "-module(benchmarker).\nreport(_, _) -> ok.\n"}
        ]
    ].

the_records_of_the_code_test() ->
    Text = "-module(benchmarker).\n-record(agent, {id :: term(), cx_id = none, fitness}).\n",
    ?assertEqual(#{agent => [id, cx_id, fitness]}, maps:get(records, described([
        {"benchmarker.erl", Text}
    ]))).

what_is_written_is_read_test() ->
    in_directory([benchmarker("xor_mimic")], fun(Place) ->
        Described = dxnn_trainer:describe(Place, {no, "it can't"}),
        ok = dxnn_trainer:write(Place, Described),
        ?assertEqual(Described, dxnn_trainer:read(Place)),
        ?assertMatch(
            ["start-up: nothing beside polis",
                "interruptions: a run in progress begins anew, for it can't"],
            [lists:flatten(Line) || Line <- dxnn_trainer:summary(Described)]
        )
    end).

nobody_described_it_test() ->
    in_directory([], fun(Place) ->
        ?assertMatch(#{startup := [], records := Records} when Records =:= #{},
            dxnn_trainer:read(Place))
    end).

what_cannot_be_understood_is_refused_test() ->
    in_directory([{"dxnn_trainer.config", "{startup, "}], fun(Place) ->
        {refused, 2, Sentence} = (catch dxnn_trainer:read(Place)),
        ?assertMatch({match, _}, re:run(Sentence, "dxnn_trainer.config: 1: syntax error"))
    end).

benchmarker(Morphology) ->
    {"benchmarker.erl", ["-module(benchmarker).\nstart(Id) -> {Id, [", Morphology, "]}.\n"]}.

described(Files) ->
    in_directory(Files, fun(Place) -> dxnn_trainer:describe(Place, ok) end).

in_directory(Files, Test) ->
    Place = string:trim(os:cmd("mktemp -d")),
    try
        [
            begin
                File = filename:join(Place, Name),
                ok = filelib:ensure_dir(File),
                ok = file:write_file(File, Text)
            end
         || {Name, Text} <- Files
        ],
        Test(Place)
    after
        file:del_dir_r(Place)
    end.
