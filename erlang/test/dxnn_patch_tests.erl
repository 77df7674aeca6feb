%% The patched shapes compile and run, and the files that dxnn-patch writes keep what they had.
-module(dxnn_patch_tests).
-compile({parse_transform, eunit_autoexport}).
-include_lib("stdlib/include/assert.hrl").
-include_lib("kernel/include/file.hrl").

shapes_run_test_() ->
    {setup, fun mnesia:start/0, fun(_) -> stop_mnesia() end,
        [{Shape, fun() -> in_directory(fun(D) -> runs(Shape, D) end) end} || Shape <- shapes()]}.

shapes() ->
    {ok, Names} = file:list_dir("test/shapes"),
    lists:sort(Names).

%% The benchmarker's loop reports after the dump was written, and returns what it returned.
runs(Shape, Directory) ->
    File = copy(Shape, Directory),
    {ok, _} = dxnn_patch:patch_file(File),
    {ok, benchmarker, Beam} = compile:file(File, [binary, return_errors]),
    {module, benchmarker} = code:load_binary(benchmarker, File, Beam),
    ?assert(erlang:function_exported(benchmarker, completion_signal, 0)),
    os:putenv("DXNN_CHECKPOINT_DIR", Directory),
    try
        self() ! {population, completed, trace},
        Returned = benchmarker:loop(benchmarker:example(), population),
        {reported, _, _, [Dump]} = element_named(reported, Returned),
        ?assert(filelib:is_regular(Dump))
    after
        os:unsetenv("DXNN_CHECKPOINT_DIR"),
        code:purge(benchmarker),
        code:delete(benchmarker)
    end.

element_named(Name, Tuple) when element(1, Tuple) =:= Name -> Tuple;
element_named(Name, {_, Inner}) -> element_named(Name, Inner).

latin1_bytes_stay_test() ->
    in_directory(fun(Directory) ->
        File = filename:join(Directory, "benchmarker.erl"),
        Latin1 = <<"-module(benchmarker).\n% caf", 16#E9, "\nloop(E, P) -> report(E, \"", 16#FC,
            "\").\n">>,
        ok = file:write_file(File, Latin1),
        {ok, _} = dxnn_patch:patch_file(File),
        {ok, Patched} = file:read_file(File),
        ?assertMatch({_, _}, binary:match(Patched, <<"caf", 16#E9, "\n">>)),
        ?assertMatch({_, _}, binary:match(Patched, <<"report(E, \"", 16#FC, "\").">>))
    end).

mode_stays_test() ->
    in_directory(fun(Directory) ->
        File = copy("in_try.erl", Directory),
        ok = file:change_mode(File, 8#640),
        {ok, _} = dxnn_patch:patch_file(File),
        {ok, #file_info{mode = Mode}} = file:read_file_info(File),
        ?assertEqual(8#640, Mode band 8#777),
        ?assertEqual({ok, ["benchmarker.erl"]}, file:list_dir(Directory))
    end).

a_link_stays_a_link_test() ->
    in_directory(fun(Directory) ->
        File = copy("in_try.erl", Directory),
        Link = filename:join(Directory, "link.erl"),
        ok = file:make_symlink("benchmarker.erl", Link),
        {ok, _} = dxnn_patch:patch_file(Link),
        ?assertEqual({ok, "benchmarker.erl"}, file:read_link(Link)),
        ?assertMatch({ok, "patched already" ++ _}, dxnn_patch:patch_file(File))
    end).

the_second_time_nothing_happens_test() ->
    in_directory(fun(Directory) ->
        File = copy("in_try.erl", Directory),
        {ok, _} = dxnn_patch:patch_file(File),
        {ok, Once} = file:read_file(File),
        {ok, _} = dxnn_patch:patch_file(File),
        ?assertEqual({ok, Once}, file:read_file(File))
    end).

a_refused_file_stays_test() ->
    in_directory(fun(Directory) ->
        File = filename:join(Directory, "benchmarker.erl"),
        ok = file:write_file(File, "-module(benchmarker).\n"),
        {error, Sentence} = dxnn_patch:patch_file(File),
        ?assertNotEqual(nomatch, string:find(Sentence, File)),
        ?assertEqual({ok, <<"-module(benchmarker).\n">>}, file:read_file(File))
    end).

what_is_no_file_is_refused_test() ->
    in_directory(fun(Directory) ->
        ?assertMatch({error, _}, dxnn_patch:patch_file(Directory)),
        ?assertMatch({error, _}, dxnn_patch:patch_file(filename:join(Directory, "none.erl")))
    end).

command_line_test_() ->
    {timeout, 30, fun() -> in_directory(fun command_line/1) end}.

command_line(Directory) ->
    File = copy("tabs_export_all.erl", Directory),
    {ok, Before} = file:read_file(File),
    {0, Preview} = command(["--dry-run", File]),
    ?assertMatch([_, _ | _], string:split(Preview, "+\t\t\t\t\tcompletion_signal(),\n")),
    ?assertEqual({ok, Before}, file:read_file(File)),
    ?assertMatch({0, _}, command([File])),
    ?assertMatch({0, _}, command([File])),
    ?assertMatch({2, _}, command([File, Directory])),
    ?assertMatch({2, _}, command([])),
    ?assertMatch({2, _}, command(["--force", File])),
    ?assertMatch({0, "usage:" ++ _}, command(["--help"])).

command(Arguments) ->
    Port = open_port({spawn_executable, "bin/dxnn-patch"},
        [{args, Arguments}, exit_status, stderr_to_stdout]),
    collect(Port, "").

collect(Port, Output) ->
    receive
        {Port, {data, Data}} -> collect(Port, Output ++ Data);
        {Port, {exit_status, Status}} -> {Status, Output}
    end.

copy(Shape, Directory) ->
    File = filename:join(Directory, "benchmarker.erl"),
    {ok, _} = file:copy(filename:join("test/shapes", Shape), File),
    File.

stop_mnesia() ->
    ok = logger:set_primary_config(level, warning),
    stopped = mnesia:stop().

in_directory(Test) ->
    Directory = string:trim(os:cmd("mktemp -d")),
    try
        Test(Directory)
    after
        file:del_dir_r(Directory)
    end.
