-module(dxnn_patcher_tests).
-compile({parse_transform, eunit_autoexport}).
-include_lib("stdlib/include/assert.hrl").

-define(ADDITION, "%% Added by dxnn-patch.\ncompletion_signal() ->\n    ok.\n").

every_shape_test_() ->
    [{Shape, fun() -> shape(read("test/shapes/" ++ Shape)) end} || Shape <- shapes()].

shapes() ->
    {ok, Names} = file:list_dir("test/shapes"),
    lists:sort(Names).

%% Nothing but the insertions differs, one call and one function are inserted, and what was
%% patched is known as such.
shape(Text) ->
    {patch, Edits, Patched} = dxnn_patcher:patch(Text, ?ADDITION),
    ?assertEqual(Text, without(Edits, Patched)),
    ?assertEqual(2, occurrences("completion_signal()", Patched)),
    ?assertEqual(already, dxnn_patcher:patch(Patched, ?ADDITION)).

crlf_line_ends_stay_test() ->
    Text = string:replace(read("test/shapes/export_lists.erl"), "\n", "\r\n", all),
    {patch, Edits, Patched} = dxnn_patcher:patch(lists:append(Text), ?ADDITION),
    ?assertEqual(lists:append(Text), without(Edits, Patched)),
    ?assertEqual(occurrences("\n", Patched), occurrences("\r\n", Patched)).

the_call_is_indented_like_its_statement_test() ->
    ?assert(contains("\n\t\t\t\t\tcompletion_signal(),\n\t\t\t\t\treport(",
        patched(read("test/shapes/tabs_export_all.erl")))).

the_call_precedes_the_whole_statement_test() ->
    ?assert(contains("            completion_signal(),\n            Result = ?MODULE:report(",
        patched(read("test/shapes/module_qualified.erl")))).

a_statement_within_a_line_stays_there_test() ->
    ?assert(contains("if N =< 1 -> completion_signal(), report(Id",
        patched(read("test/shapes/one_line.erl")))).

the_first_export_list_grows_test() ->
    ?assert(contains("-export([start/1, completion_signal/0]).   % first list",
        patched(read("test/shapes/export_lists.erl")))).

an_export_list_over_lines_grows_before_its_comment_test() ->
    ?assert(contains("    report/2, completion_signal/0  % last\n]).", patched(
        "-module(benchmarker).\n-export([\n    loop/2,\n    report/2  % last\n]).\n" ++
            loop("report(a, b)")))).

an_empty_export_list_grows_test() ->
    ?assert(contains("-export([completion_signal/0]).", patched(
        "-module(benchmarker).\n-export([]).\n" ++ loop("report(a, b)")))).

export_all_needs_no_list_test() ->
    ?assertNot(contains("completion_signal/0", patched(
        "-module(benchmarker).\n-compile(export_all).\n" ++ loop("report(a, b)")))).

no_export_that_always_counts_test() ->
    ?assert(contains("-module(benchmarker).\n-export([completion_signal/0]).\n", patched(
        "-module(benchmarker).\n-ifdef(TEST).\n-compile(export_all).\n-endif.\n" ++
            loop("report(a, b)")))).

another_attempt_is_refused_test_() ->
    [{Why, fun() -> ?assertMatch({_, true}, {Text, refused_for(Why, Text)}) end} || {Why, Text} <- [
        {"not benchmarker", "-module(trainer).\n" ++ loop("report(a, b)")},
        {"no -module", loop("report(a, b)")},
        {"not benchmarker", "-module(?NAME).\n" ++ loop("report(a, b)")},
        {"no function loop/2", module("loop(E) -> report(E, e).\n")},
        {"more than once", module("-ifdef(A).\n" ++ loop("report(a, b)") ++ "-else.\n" ++
            loop("report(a, c)") ++ "-endif.\n")},
        {"does not call report/2", module(loop("report(a, b, c)"))},
        {"does not call report/2", module(loop("other:report(a, b)"))},
        {"report/2 more than once", module(loop("report(a, b), report(a, c)"))},
        {"as a statement of its own", module(loop("io:format(report(a, b))"))},
        {"as a statement of its own", module(loop("spawn(fun() -> report(a, b) end)"))},
        {"as a statement of its own", module(loop("[report(a, X) || X <- a]"))},
        {"as a statement of its own", module(loop("case report(a, b) of _ -> ok end"))},
        {"not a statement of its own", module(loop("(report(a, b))"))},
        {"did not write", module(loop("report(a, b)") ++ "completion_signal() -> ok.\n")},
        {"half of the patch", module(loop("completion_signal(), report(a, b)"))},
        {"half of the patch", module(loop("report(a, b)") ++ ?ADDITION)},
        {"does not parse", module(loop("report(a, b"))},
        {"does not parse", module("open(A) -> case A of _ -> ok.\n" ++ loop("report(a, b)"))},
        {"does not parse", module("name() -> \"no end.\n" ++ loop("report(a, b)"))},
        {"has no end", module(loop("report(a, b)") ++ "last() -> ok")},
        {"no -module", ""}
    ]].

the_refusal_names_the_line_test() ->
    ?assertMatch({refused, 3, _}, dxnn_patcher:patch(module("\nbad( -> ok.\n"), ?ADDITION)).

%% The rule the shapes obey, for many texts: whatever stands around the call.
whatever_surrounds_it_test_() ->
    Statements = [
        "report(a, b)", "_ = report(a, b)", "catch report(a, b)", "ok = catch report(a, b)",
        "?MODULE:report(a, b)", "begin report(a, b) end", "X = ?LONG(a, [b]), report(X, b), X#r.f",
        "if true -> report(a, b); true -> ok end", "ok, report(?A, #{a => $,}), \"report(a, b)\""],
    [{Statement, fun() -> shape(module(loop(Statement))) end} || Statement <- Statements].

module(Text) -> "-module(benchmarker).\n" ++ Text.

loop(Statement) -> "loop(E, P) ->\n\treceive {P, E} ->\n\t\t" ++ Statement ++ "\n\tend.\n".

refused_for(Why, Text) ->
    case dxnn_patcher:patch(Text, ?ADDITION) of
        {refused, Line, Sentence} when is_integer(Line) -> contains(Why, Sentence);
        Other -> Other
    end.

patched(Text) ->
    {patch, _, Patched} = dxnn_patcher:patch(Text, ?ADDITION),
    Patched.

read(File) ->
    {ok, Bytes} = file:read_file(File),
    unicode:characters_to_list(Bytes).

contains(Part, Text) -> string:find(Text, Part) =/= nomatch.

occurrences(Part, Text) -> length(string:split(Text, Part, all)) - 1.

%% The text from which `Patched` was made. Each insertion starts where the text kept so far ends.
without(Edits, Patched) ->
    lists:foldl(
        fun({Offset, Inserted}, Text) ->
            {Before, After} = lists:split(Offset, Text),
            ?assert(lists:prefix(Inserted, After)),
            Before ++ lists:nthtail(length(Inserted), After)
        end,
        Patched,
        lists:sort(Edits)
    ).
