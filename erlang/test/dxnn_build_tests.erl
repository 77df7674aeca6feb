-module(dxnn_build_tests).
-compile({parse_transform, eunit_autoexport}).
-include_lib("stdlib/include/assert.hrl").

a_flat_source_test() -> builds(".").

a_source_below_src_test() -> builds("src").

builds(Place) ->
    in_directory(fun(Directory) ->
        Source = source(Directory, Place),
        Destination = filename:join(Directory, "deep/built"),
        ?assertMatch({ok, #{resume := "there is no population_monitor.erl"}}, dxnn_build:build(Source, Destination, found)),
        Expected = ["benchmarks", "dxnn_trainer.config", "ebin/benchmarker.beam", "ebin/words.beam",
            filename:join(Place, "benchmarker.erl"), "fx_tables/data"],
        [?assertEqual({Name, true}, {Name, filelib:is_file(filename:join(Destination, Name))})
            || Name <- Expected],
        [?assertEqual({Name, false}, {Name, filelib:is_file(filename:join(Destination, Name))})
            || Name <- [".git", "benchmarks/old_report", "Mnesia.nonode@nohost", filename:join(Place, "stale.beam")]],
        {ok, {benchmarker, [{exports, Exports}]}} =
            beam_lib:chunks(filename:join(Destination, "ebin/benchmarker.beam"), [exports]),
        ?assert(lists:member({completion_signal, 0}, Exports)),
        ?assertEqual({ok, ["built"]}, file:list_dir(filename:join(Directory, "deep")))
    end).

start_up_expressions_can_be_given_test() ->
    in_directory(fun(Directory) ->
        Destination = filename:join(Directory, "built"),
        Source = source(Directory, "."),
        {ok, _} = dxnn_build:build(Source, Destination, ["prices:load()"]),
        ?assertMatch(#{startup := ["prices:load()"]}, dxnn_trainer:read(Destination))
    end).

an_empty_destination_is_taken_test() ->
    in_directory(fun(Directory) ->
        Destination = filename:join(Directory, "built"),
        ok = file:make_dir(Destination),
        ?assertMatch({ok, _}, dxnn_build:build(source(Directory, "."), Destination, found)),
        ?assert(filelib:is_dir(filename:join(Destination, "ebin")))
    end).

a_destination_with_something_in_it_stays_test() ->
    in_directory(fun(Directory) ->
        Destination = filename:join(Directory, "built"),
        ok = filelib:ensure_dir(filename:join(Destination, "any")),
        ok = file:write_file(filename:join(Destination, "mine"), "mine"),
        refused(2, "is not empty", source(Directory, "."), Destination),
        ?assertEqual({ok, ["mine"]}, file:list_dir(Destination))
    end).

a_destination_inside_the_source_is_refused_test() ->
    in_directory(fun(Directory) ->
        Source = source(Directory, "."),
        refused(2, "lies inside", Source, filename:join(Source, "built"))
    end).

no_dxnn_is_refused_test() ->
    in_directory(fun(Directory) ->
        refused(2, "no benchmarker.erl", Directory, filename:join(Directory, "../never-built"))
    end).

what_does_not_compile_leaves_nothing_test() ->
    in_directory(fun(Directory) ->
        Source = source(Directory, "."),
        ok = file:write_file(filename:join(Source, "wrong.erl"), "-module(wrong).\nf() -> g().\n"),
        Destination = filename:join(Directory, "built"),
        refused(1, "wrong.erl:2:8: function g/0 undefined", Source, Destination),
        ?assertEqual({ok, ["source"]}, file:list_dir(Directory))
    end).

what_is_not_recognised_leaves_nothing_test() ->
    in_directory(fun(Directory) ->
        Source = source(Directory, "."),
        ok = file:write_file(filename:join(Source, "benchmarker.erl"), "-module(benchmarker).\n"),
        refused(2, "no function loop/2", Source, filename:join(Directory, "built")),
        ?assertEqual({ok, ["source"]}, file:list_dir(Directory))
    end).

refused(Code, Why, Source, Destination) ->
    {refused, Code, Sentence} = dxnn_build:build(Source, Destination, found),
    ?assertNotEqual({nomatch, Sentence}, {string:find(Sentence, Why), Sentence}).

%% A small checkout, its modules in `Place`, and what must not be copied beside them.
source(Directory, Place) ->
    Source = filename:join(Directory, "source"),
    {ok, Benchmarker} = file:read_file("test/shapes/in_try.erl"),
    Files = [
        {"benchmarker.erl", Benchmarker},
        {"words.erl", "-module(words).\n-export([w/0]).\n-include(\"words.hrl\").\nw() -> ?W.\n"},
        {"words.hrl", "-define(W, [agent]).\n"},
        {"stale.beam", "stale"},
        {"../.git/HEAD", "ref"},
        {"../fx_tables/data", "data"},
        {"../benchmarks/old_report", "of another day"},
        {"../Mnesia.nonode@nohost/schema.DAT", "old"}
    ],
    [write(filename:join(Source, place(Place, Name)), Bytes) || {Name, Bytes} <- Files],
    Source.

place(_, "../" ++ Name) -> Name;
place(Place, Name) -> filename:join(Place, Name).

write(File, Bytes) ->
    ok = filelib:ensure_dir(File),
    ok = file:write_file(File, Bytes).

in_directory(Test) ->
    Directory = string:trim(os:cmd("mktemp -d")),
    try
        Test(Directory)
    after
        file:del_dir_r(Directory)
    end.
