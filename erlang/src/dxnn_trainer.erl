%% What dxnn-build finds out about a trainer from its source, kept beside it in
%% dxnn_trainer.config: how it is started, and whether a run in progress can be gone on with.
-module(dxnn_trainer).
-export([describe/2, write/2, read/1, summary/1]).
-export_type([description/0]).

-define(FILE_NAME, "dxnn_trainer.config").
-define(PROGRAM, "
%% Written by dxnn-build from the trainer's source; dxnn-train goes by it.
%%   startup           expressions, evaluated before polis:start(); dxnn-train --startup replaces them
%%   resume            true, or why a run in progress begins anew after an interruption
%%   report_directory  where benchmarker:report/2 writes; made before training
%%   records           the fields of the trainer's records; a dump with others is not restored
").

-type description() :: #{
    startup := [string()],
    resume := true | string(),
    report_directory := string() | none,
    records := dxnn_forms:records()
}.

%% Describes the trainer whose source lies in `Root`; `Resume` is what dxnn_resume answered for it.
-spec describe(file:filename(), ok | {no, string()}) -> description().
describe(Root, Resume) ->
    Benchmarker = dxnn_forms:read(Root, "benchmarker"),
    Monitor = forms(Root, "population_monitor"),
    #{
        startup => startup(Root, Benchmarker),
        resume => resume(Resume),
        report_directory => report_directory(Benchmarker),
        records => dxnn_forms:records(Monitor ++ Benchmarker ++ forms(Root, "polis"))
    }.

forms(Root, Name) ->
    case dxnn_forms:read(Root, Name) of
        none -> [];
        Forms -> Forms
    end.

resume(ok) -> true;
resume({no, Why}) -> Why.

%% A DXNN that trades needs its prices loaded, or every agent that looks into them crashes.
startup(Root, Benchmarker) ->
    Fx = forms(Root, "fx"),
    Loads = lists:all(fun(Name) -> dxnn_forms:functions(Name, Fx) =/= [] end, [init, start]),
    Pair = dxnn_forms:functions(primary_currency_pair, forms(Root, "config")),
    Waits =
        case {Loads, Pair, trades(Benchmarker)} of
            {true, [_ | _], _} ->
                ["dxnn_launcher:wait_for_table(config:primary_currency_pair())"];
            {true, [], true} ->
                [
                    io_lib:format("dxnn_launcher:wait_for_table(~tp)", [list_to_atom(Name)])
                 || Name <- prices(Root)
                ];
            _ ->
                []
        end,
    case Waits of
        [] -> [];
        _ -> [lists:flatten(lists:join(", ", ["fx:init()", "fx:start()" | Waits]))]
    end.

%% Whether one of the morphologies that an experiment is begun with is a forex trader.
trades(Benchmarker) ->
    lists:any(
        fun(Name) -> lists:prefix("forex", Name) end,
        [atom_to_list(Atom) || Atom <- atoms(dxnn_forms:functions(start, Benchmarker))]
    ).

atoms({atom, _, Atom}) when is_atom(Atom) -> [Atom];
atoms(Tuple) when is_tuple(Tuple) -> atoms(tuple_to_list(Tuple));
atoms([Head | Tail]) -> atoms(Head) ++ atoms(Tail);
atoms(_) -> [].

prices(Root) ->
    Files = filelib:wildcard("fx_tables/*.txt", Root),
    [filename:basename(File, ".txt") || File <- lists:sort(Files)].

%% The directory of the file that report/2 or what it calls opens: the left side of Directory ++ Name.
report_directory(Benchmarker) ->
    Opened = [
        Directory
     || {call, _, {remote, _, {atom, _, file}, {atom, _, Open}}, [Name | _]} <- calls(Benchmarker),
        lists:member(Open, [open, write_file]),
        {op, _, '++', {string, _, Directory}, _} <- [Name],
        lists:suffix("/", Directory)
    ],
    case Opened of
        [First | _] -> First;
        [] -> none
    end.

calls({call, _, _, Arguments} = Call) -> [Call | calls(Arguments)];
calls(Tuple) when is_tuple(Tuple) -> calls(tuple_to_list(Tuple));
calls([Head | Tail]) -> calls(Head) ++ calls(Tail);
calls(_) -> [].

-spec write(file:filename(), description()) -> ok | {error, file:posix()}.
write(Directory, Description) ->
    Terms = [io_lib:format("~tp.~n", [Pair]) || Pair <- lists:sort(maps:to_list(Description))],
    Text = [string:trim(?PROGRAM, leading), Terms],
    file:write_file(filename:join(Directory, ?FILE_NAME), unicode:characters_to_binary(Text)).

%% Reads the description in a trainer's directory; of what it does not say nothing is known. Throws
%% {refused, 2, Sentence} where it can't be understood.
-spec read(file:filename()) -> description().
read(Directory) ->
    Unknown = #{
        startup => [],
        resume => "dxnn-build did not describe this trainer",
        report_directory => none,
        records => #{}
    },
    File = filename:join(Directory, ?FILE_NAME),
    case file:consult(File) of
        {ok, Terms} ->
            maps:merge(Unknown, maps:from_list([Term || {_, _} = Term <- Terms]));
        {error, enoent} ->
            Unknown;
        {error, Reason} ->
            throw({refused, 2, io_lib:format("~ts: ~ts", [File, file:format_error(Reason)])})
    end.

%% What a person should know of it, a line each.
-spec summary(description()) -> [iolist()].
summary(#{startup := Startup, resume := Resume, report_directory := Directory}) ->
    [["start-up: ", Expressions] || Expressions <- Startup] ++
        ["start-up: nothing beside polis" || Startup =:= []] ++
        [
            case Resume of
                true -> "interruptions: a run in progress goes on with its population";
                Why -> ["interruptions: a run in progress begins anew, for ", Why]
            end
        ] ++
        [["reports: ", Directory] || Directory =/= none].
