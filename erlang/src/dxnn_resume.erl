%% Makes the module dxnn_resumed, which goes on with a DXNN run where the database has it.
%%
%% DXNN's own benchmarker:continue/1 leads to population_monitor:init_population/2, which deletes
%% the population of the run in progress and makes a new one. What it does before that is right.
%% So dxnn_resumed holds copies of the trainer's own continue/1, prep/1 and prep_PopState/2, and of
%% what they call, that differ in one call: instead of init_population(State, _) they start the
%% monitor on the population that is there, by the very call that ends init_population/2. All else
%% stays in the trainer's modules, which are left as they are: benchmarker:loop/2 begins the runs
%% that follow as it always did.
-module(dxnn_resume).
-export([make/2]).

-define(NAME, dxnn_resumed).

%% Compiles dxnn_resumed from the sources of the trainer at `Root` into `Directory`, or says why
%% this trainer's runs can't be gone on with.
%%
%% dxnn_resumed:continue/1 is called like benchmarker:continue/1. dxnn_resumed:experiment/1, where
%% the trainer has it in a shape that is known, answers the record that benchmarker:start/1 would
%% begin an experiment with.
-spec make(file:filename(), file:filename()) -> ok | {no, string()}.
make(Root, Directory) ->
    try
        Benchmarker = forms(Root, benchmarker),
        Monitor = forms(Root, population_monitor),
        Records = records(Benchmarker, Monitor),
        Continues = continues(Benchmarker),
        Prepares = prepares(Monitor),
        distinct(Continues, Prepares),
        Resumes = Continues ++ Prepares,
        Begins = [F || F <- begins(Benchmarker), not lists:member(key(F), keys(Resumes))],
        Binary = first([
            fun() -> compile(Records, Resumes ++ Begins, [{experiment, 1}]) end,
            fun() -> compile(Records, Resumes, []) end
        ]),
        ok = file:write_file(filename:join(Directory, atom_to_list(?NAME) ++ ".beam"), Binary)
    catch
        throw:{no, Format, Arguments} -> {no, lists:flatten(io_lib:format(Format, Arguments))}
    end.

forms(Root, Module) ->
    case dxnn_forms:read(Root, atom_to_list(Module)) of
        none -> no("there is no ~ts.erl", [Module]);
        Forms -> Forms
    end.

%% The record definitions of both modules; a trainer in which they differ is not understood.
records(Benchmarker, Monitor) ->
    Theirs = dxnn_forms:records(Monitor),
    Both = maps:with(maps:keys(Theirs), dxnn_forms:records(Benchmarker)),
    maps:with(maps:keys(Both), Theirs) =:= Both orelse
        no("benchmarker.erl and population_monitor.erl define records differently", []),
    definitions(Monitor, []) ++ definitions(Benchmarker, maps:keys(Theirs)).

definitions(Forms, But) ->
    [
        Form
     || {attribute, _, record, {Name, _}} = Form <- Forms, not lists:member(Name, But)
    ].

%% What continues an experiment, but for loop/2, which is called where it is. The process that is
%% spawned runs prep/1 of dxnn_resumed, and that prep_PopState/2 of dxnn_resumed.
continues(Forms) ->
    dxnn_forms:exports({loop, 2}, Forms) orelse no("benchmarker.erl does not export loop/2", []),
    held([continue, prep], [1, 1], benchmarker, Forms, [
        {fun run_prep/1, "benchmarker:continue/1 does not run prep/1"},
        {fun prepare_here/1,
            "benchmarker:prep/1 does not call population_monitor:prep_PopState/2"},
        {fun loop_there/1, "benchmarker:prep/1 does not call loop/2"}
    ]).

run_prep([{atom, A, benchmarker}, {atom, B, prep} | Rest]) ->
    {changed, [{atom, A, ?NAME}, {atom, B, prep} | Rest]};
run_prep({call, A, {remote, _, {atom, _, benchmarker}, {atom, B, prep}}, Arguments}) ->
    {changed, {call, A, {atom, B, prep}, Arguments}};
run_prep({call, _, {atom, _, prep}, [_]} = Call) ->
    {changed, Call};
run_prep(_) ->
    same.

prepare_here({call, A, {remote, _, {atom, _, population_monitor}, {atom, B, prep_PopState}}, Two}) ->
    {changed, {call, A, {atom, B, prep_PopState}, Two}};
prepare_here(_) ->
    same.

loop_there({call, A, {atom, B, loop}, [_, _] = Two}) ->
    {changed, {call, A, {remote, A, {atom, A, benchmarker}, {atom, B, loop}}, Two}};
loop_there({call, _, {remote, _, {atom, _, benchmarker}, {atom, _, loop}}, [_, _]} = Call) ->
    {changed, Call};
loop_there(_) ->
    same.

%% What prepares a monitor's state, and then starts the monitor in place of init_population/2.
prepares(Forms) ->
    Start = start_call(function(init_population, 2, population_monitor, Forms), Forms),
    StartMonitor = fun
        ({call, A, Target, [State, _Constraints]}) ->
            case called(Target) of
                init_population -> {changed, {call, A, Start, [State]}};
                _ -> same
            end;
        (_) ->
            same
    end,
    held([prep_PopState], [2], population_monitor, Forms, [
        {StartMonitor, "population_monitor:prep_PopState/2 does not call init_population/2"}
    ]).

%% What init_population/2 starts the monitor by: the callee of a call whose only argument is its
%% own first.
start_call({function, _, _, _, Clauses}, Monitor) ->
    Found = [
        called(Target)
     || {clause, _, [{var, _, State}, _], _, Body} <- Clauses,
        {call, _, Target, [{var, _, Given}]} <- terms(Body),
        Given =:= State,
        lists:member(called(Target), [start, start_link])
    ],
    case lists:usort(Found) of
        [Name] ->
            dxnn_forms:exports({Name, 1}, Monitor) orelse
                no("population_monitor.erl does not export ~ts/1", [Name]),
            {remote, 0, {atom, 0, population_monitor}, {atom, 0, Name}};
        _ ->
            no("population_monitor:init_population/2 does not start the monitor by start/1", [])
    end.

called({atom, _, Name}) -> Name;
called({remote, _, {atom, _, population_monitor}, {atom, _, Name}}) -> Name;
called(_) -> other.

%% The functions named, with `Changes` made, and those that they call by then, directly or not.
%% Refused with a change's sentence where none of them has anything to change so.
held(Names, Arities, Module, Forms, Changes) ->
    Roots = [function(N, A, Module, Forms) || {N, A} <- lists:zip(Names, Arities)],
    Functions = [Form || {function, _, _, _, _} = Form <- Forms],
    Changed = lists:foldl(
        fun({Change, _}, Before) -> [change(Form, Change) || Form <- Before] end, Functions, Changes
    ),
    Held = reached([F || F <- Changed, lists:member(key(F), keys(Roots))], Changed),
    Originals = [F || F <- Functions, lists:member(key(F), keys(Held))],
    [applies(Change, Originals) orelse no(Refusal, []) || {Change, Refusal} <- Changes],
    Held.

function(Name, Arity, Module, Forms) ->
    case [F || {function, _, N, A, _} = F <- Forms, N =:= Name, A =:= Arity] of
        [Function] -> Function;
        [] -> no("~ts.erl has no function ~ts/~b", [Module, Name, Arity])
    end.

keys(Functions) -> [key(Function) || Function <- Functions].

key({function, _, Name, Arity, _}) -> {Name, Arity}.

reached(Functions, All) ->
    Calls = lists:umerge([dxnn_forms:calls(Function) || Function <- Functions]),
    Missing = Calls -- keys(Functions),
    case [F || {function, _, _, _, _} = F <- All, lists:member(key(F), Missing)] of
        [] -> Functions;
        More -> reached(Functions ++ More, All)
    end.

change(Term, Change) ->
    case Change(Term) of
        {changed, Changed} -> Changed;
        same when is_tuple(Term) -> list_to_tuple(change_parts(tuple_to_list(Term), Change));
        same -> change_parts(Term, Change)
    end.

change_parts([Head | Tail], Change) -> [change(Head, Change) | change(Tail, Change)];
change_parts(Term, _Change) -> Term.

applies(Change, Term) ->
    lists:any(fun(Part) -> Change(Part) =/= same end, terms(Term)).

%% Every part of a term, and the term itself.
terms(Term) when is_tuple(Term) -> [Term | terms(tuple_to_list(Term))];
terms([Head | Tail] = Term) -> [Term | terms(Head)] ++ terms(Tail);
terms(_) -> [].

distinct(Continues, Prepares) ->
    [
        no("benchmarker.erl and population_monitor.erl each have a ~ts/~b of their own", [Name, Arity])
     || {Name, Arity} <- keys(Continues), lists:member({Name, Arity}, keys(Prepares))
    ].

%% start/1 and those of its name that it calls, as experiment/1 and so on: up to where the record
%% is written, and without what they print. None where it is written nowhere.
begins(Forms) ->
    Starts = [
        {function, Line, experiment, Arity, [until_written(Clause) || Clause <- Clauses]}
     || {function, Line, start, Arity, Clauses} <- Forms
    ],
    case [Form || Form <- Starts, key(Form) =:= {experiment, 1}, writes(Starts)] of
        [] -> [];
        [Experiment] -> [change(Form, fun unmark/1) || Form <- reached([Experiment], Starts ++ Forms)]
    end.

until_written({clause, Line, Patterns, Guards, Body}) ->
    Quiet = [Expression || Expression <- Body, not prints(Expression)],
    {clause, Line, Patterns, Guards, change(up_to_write(Quiet), fun rename/1)}.

prints({call, _, {remote, _, {atom, _, io}, {atom, _, format}}, _}) -> true;
prints(_) -> false.

up_to_write([{call, _, {remote, _, {atom, _, genotype}, {atom, _, write}}, [Written]} | _]) ->
    [{written, Written}];
up_to_write([Expression | Rest]) ->
    [Expression | up_to_write(Rest)];
up_to_write([]) ->
    [].

rename({call, A, {atom, B, start}, Arguments}) ->
    {changed, {call, A, {atom, B, experiment}, change(Arguments, fun rename/1)}};
rename(_) ->
    same.

unmark({written, Written}) -> {changed, Written};
unmark(_) -> same.

writes(Forms) ->
    applies(fun unmark/1, Forms).

compile(Records, Functions, Exports) ->
    Forms =
        [
            {attribute, 1, module, ?NAME},
            {attribute, 1, export, [{continue, 1}, {prep, 1}, {prep_PopState, 2} | Exports]}
        ] ++ Records ++ Functions,
    case compile:forms(Forms, [return_errors, deterministic]) of
        {ok, ?NAME, Binary} ->
            Binary;
        {error, [{_, [{_, Module, Why} | _]} | _], _} ->
            no("a copy of its continue/1 does not compile: ~ts", [Module:format_error(Why)])
    end.

first([Last]) ->
    Last();
first([Try | Rest]) ->
    try
        Try()
    catch
        throw:{no, _, _} -> first(Rest)
    end.

-spec no(io:format(), [term()]) -> no_return().
no(Format, Arguments) ->
    throw({no, Format, Arguments}).
