%% Adds completion_signal/0 to the source of a benchmarker.erl: decides, and touches nothing.
-module(dxnn_patcher).
-export([patch/2, marker/0]).
-export_type([edit/0, verdict/0]).

%% Characters to insert before the character at that offset of the original.
-type edit() :: {Offset :: non_neg_integer(), string()}.
-type verdict() ::
    {patch, [edit()], Patched :: string()} | already | {refused, Line :: pos_integer(), string()}.

-define(CALL, "completion_signal()").
-define(NAME, "completion_signal/0").

%% The comment that begins the inserted text, by which a patched file is known.
-spec marker() -> string().
marker() -> "%% Added by dxnn-patch".

%% What to insert into `Text` so that it defines completion_signal/0 as `Addition` does, exports
%% it, and calls it where its experiment completes; `already` where that was done before; or
%% why this is no benchmarker.erl that it knows.
%%
%% The call goes before the call of report/2. There the database says that the experiment has
%% completed, so the dump is final; the value of the branch stays report/2's; and a report that
%% fails (it writes files) does not cost the dump.
-spec patch(string(), Addition :: string()) -> verdict().
patch(Text, Addition) ->
    case decide(Text, Addition) of
        {patch, Edits} ->
            Patched = apply_edits(Text, Edits),
            %% What comes out must be known as patched, or it was not understood.
            case decide(Patched, Addition) of
                already -> {patch, Edits, Patched};
                _ -> {refused, 1, "completion_signal/0 cannot be added to source of this shape"}
            end;
        Other ->
            Other
    end.

decide(Text, Addition) ->
    try
        plan(Text, Addition)
    catch
        throw:{refused, Line, Sentence} -> {refused, Line, lists:flatten(Sentence)}
    end.

plan(Text, Addition) ->
    case dxnn_source:read(Text) of
        {error, Line, Why} ->
            refuse(Line, "the source does not parse: ~ts", [Why]);
        {ok, Forms, Comments} ->
            Module = module_form(Forms),
            Loop = loop_form(Forms),
            Ours = lists:any(fun(Comment) -> lists:prefix(marker(), Comment) end, Comments),
            case {functions(completion_signal, 0, Forms), Ours, signal_calls(Loop)} of
                {[_], true, [_]} ->
                    already;
                {[], false, []} ->
                    Eol = line_end(Text),
                    {patch,
                        export_edit(Forms, Module, Eol) ++ call_edit(Text, Loop, Eol) ++
                            [function_edit(Text, Addition, Eol)]};
                {[Function | _], false, _} ->
                    refuse(line(Function), "there is a ~ts that dxnn-patch did not write", [?NAME]);
                _ ->
                    refuse(line(Loop), "half of the patch is there (the function, or its call in "
                        "loop/2): take the original file and patch that", [])
            end
    end.

module_form(Forms) ->
    case [Form || #{abstract := {attribute, _, module, _}} = Form <- Forms] of
        [#{abstract := {attribute, _, module, benchmarker}} = Form] -> Form;
        [Form | _] -> refuse(line(Form), "the module is not benchmarker", []);
        [] -> refuse(1, "there is no -module(benchmarker)", [])
    end.

loop_form(Forms) ->
    case functions(loop, 2, Forms) of
        [Loop] -> Loop;
        [] -> refuse(1, "there is no function loop/2", []);
        [_, Second | _] -> refuse(line(Second), "loop/2 is defined more than once", [])
    end.

functions(Name, Arity, Forms) ->
    [Form || #{abstract := {function, _, N, A, _}} = Form <- Forms, N =:= Name, A =:= Arity].

signal_calls(#{abstract := Function}) ->
    calls(completion_signal, 0, Function).

%% -export: the first list that always counts; a line of its own where there is none, unless
%% everything is exported anyway.
export_edit(Forms, #{tokens := ModuleTokens}, Eol) ->
    Always = [Form || #{conditional := false} = Form <- Forms],
    Lists = [Form || #{abstract := {attribute, _, export, _}} = Form <- Always],
    ExportAll = [all || #{abstract := {attribute, _, compile, Options}} <- Always,
        lists:member(export_all, lists:flatten([Options]))],
    case {Lists, ExportAll} of
        {[#{tokens := Tokens} | _], _} ->
            [list_edit(lists:reverse(Tokens))];
        {[], [all | _]} ->
            [];
        {[], []} ->
            {_Dot, Offset, _} = lists:last(ModuleTokens),
            [{Offset + 1, Eol ++ "-export([" ++ ?NAME ++ "])."}]
    end.

list_edit([{{']', _}, _, _}, {{'[', _}, Offset, Length} | _]) -> {Offset + Length, ?NAME};
list_edit([{{']', _}, _, _}, {_, Offset, Length} | _]) -> {Offset + Length, ", " ++ ?NAME};
list_edit([_ | Tokens]) -> list_edit(Tokens).

%% The call of completion_signal/0, before the statement that calls report/2.
call_edit(Text, #{abstract := Function, tokens := Tokens} = Loop, Eol) ->
    {function, _, loop, 2, Clauses} = Function,
    Statement =
        case {calls(report, 2, Function), reports(Clauses)} of
            {[], _} ->
                refuse(line(Loop), "loop/2 does not call report/2", []);
            {[_, _ | _], _} ->
                refuse(line(Loop), "loop/2 calls report/2 more than once", []);
            {[_], [Found]} ->
                Found;
            {[_], []} ->
                refuse(line(Loop), "loop/2 does not call report/2 as a statement of its own", [])
        end,
    Start = lists:min(locations(Statement)),
    {Before, [{_, Offset, _} | _]} =
        lists:splitwith(fun(Token) -> dxnn_source:location(Token) =/= Start end, Tokens),
    {Previous, _, _} = lists:last(Before),
    lists:member(element(1, Previous), ['->', ',', 'begin', 'try']) orelse
        refuse(element(1, Start), "the call of report/2 is not a statement of its own", []),
    Indentation = lists:reverse(
        lists:takewhile(fun(C) -> C =/= $\n end, lists:reverse(lists:sublist(Text, Offset)))
    ),
    case string:trim(Indentation, both, " \t") of
        "" -> [{Offset, ?CALL ++ "," ++ Eol ++ Indentation}];
        _ -> [{Offset, ?CALL ++ ", "}]
    end.

%% The statements that are a call of report/2, in the bodies that the process itself runs
%% through: clauses, not funs.
reports(Clauses) when is_list(Clauses) ->
    lists:append([reports(Clause) || Clause <- Clauses]);
reports({clause, _, _Patterns, _Guards, Body}) ->
    lists:append([statement(Statement, Statement) || Statement <- Body]).

statement({call, _, _, _} = Call, Statement) ->
    case is_call(report, 2, Call) of
        true -> [Statement];
        false -> []
    end;
statement({match, _, _, Value}, Statement) -> statement(Value, Statement);
statement({'catch', _, Value}, Statement) -> statement(Value, Statement);
statement({'case', _, _, Clauses}, _) -> reports(Clauses);
statement({'if', _, Clauses}, _) -> reports(Clauses);
statement({'receive', _, Clauses}, _) -> reports(Clauses);
statement({'receive', _, Clauses, _, After}, _) -> reports(Clauses) ++ body(After);
statement({'try', _, Body, Clauses, Handlers, After}, _) ->
    body(Body) ++ reports(Clauses) ++ reports(Handlers) ++ body(After);
statement({block, _, Body}, _) -> body(Body);
statement(_, _) -> [].

body(Body) ->
    lists:append([statement(Statement, Statement) || Statement <- Body]).

%% Every call of Name/Arity of this module, anywhere in `Term`.
calls(Name, Arity, Term) when is_tuple(Term) ->
    [Term || is_call(Name, Arity, Term)] ++ calls(Name, Arity, tuple_to_list(Term));
calls(Name, Arity, [Head | Tail]) ->
    calls(Name, Arity, Head) ++ calls(Name, Arity, Tail);
calls(_Name, _Arity, _Term) ->
    [].

is_call(Name, Arity, {call, _, {atom, _, Name}, Arguments}) ->
    length(Arguments) =:= Arity;
is_call(Name, Arity, {call, _, {remote, _, {atom, _, benchmarker}, {atom, _, Name}}, Arguments}) ->
    length(Arguments) =:= Arity;
is_call(_Name, _Arity, _Term) ->
    false.

locations({Line, Column}) when is_integer(Line), is_integer(Column) -> [{Line, Column}];
locations(Tuple) when is_tuple(Tuple) -> locations(tuple_to_list(Tuple));
locations([Head | Tail]) -> locations(Head) ++ locations(Tail);
locations(_) -> [].

%% The function itself, at the end of the file.
function_edit(Text, Addition, Eol) ->
    Break = case lists:suffix("\n", Text) of true -> ""; false -> Eol end,
    {length(Text), Break ++ Eol ++ lists:append(string:replace(Addition, "\n", Eol, all))}.

line_end(Text) ->
    case lists:suffix("\r", lists:takewhile(fun(C) -> C =/= $\n end, Text)) of
        true -> "\r\n";
        false -> "\n"
    end.

%% From the last to the first, so that the offsets still hold.
apply_edits(Text, Edits) ->
    lists:foldl(
        fun({Offset, Inserted}, Edited) ->
            {Before, After} = lists:split(Offset, Edited),
            Before ++ Inserted ++ After
        end,
        Text,
        lists:reverse(lists:sort(Edits))
    ).

line(#{tokens := [First | _]}) ->
    {Line, _} = dxnn_source:location(First),
    Line.

-spec refuse(pos_integer(), io:format(), [term()]) -> no_return().
refuse(Line, Format, Arguments) ->
    throw({refused, Line, io_lib:format(Format, Arguments)}).
