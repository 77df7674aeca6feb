%% dxnn-train: starts a DXNN trainer as a node of its own and turns the experiment's end into
%% the node's exit code.
-module(dxnn_launcher).
-export([main/0, wait_for_table/1, wait_for_table/2]).

-define(HELP, <<
    "usage: dxnn-train [--experiment ID] [--startup EXPRESSIONS]...\n"
    "\n"
    "Runs the DXNN trainer in the working directory (its beams there or in ebin/) until its\n"
    "experiment has completed. Continues the experiment if the database has it, else starts it.\n"
    "\n"
    "  --experiment ID        the experiment's key, an atom; default: $DXNN_JOB_ID\n"
    "  --startup EXPRESSIONS  Erlang expressions, evaluated once mnesia runs and before\n"
    "                         polis:start(); may be given several times\n"
    "  --help                 this text\n"
    "\n"
    "Environment:\n"
    "  DXNN_JOB_ID              the experiment, where --experiment does not say\n"
    "  DXNN_ERLANG_NODE         the node's name; default: dxnn@127.0.0.1\n"
    "  DXNN_ERLANG_COOKIE_FILE  holds its cookie; default: /var/lib/dxnn/.erlang.cookie\n"
    "  DXNN_RESTORE_PATH        a mnesia backup to start from; replaces the database\n"
    "  ERL_EPMD_PORT            the port of the name server; default: 4369\n"
    "\n"
    "Exit codes: 0 the experiment has completed, or the node was told to stop (TERM);\n"
    "1 the trainer failed; 2 usage or settings.\n"
    "\n"
    "Examples:\n"
    "  dxnn-train --experiment xor\n"
    "  dxnn-train --startup \"fx:init(), fx:start(), dxnn_launcher:wait_for_table('EURUSD15')\"\n"
>>).

-define(SETTLED_MS, 1000).
-define(SAMPLE_MS, 100).

%% The entry of bin/dxnn-train. Returns at once, so that the emulator finishes its boot and can
%% be stopped by a signal at any time.
-spec main() -> ok.
main() ->
    spawn(fun() -> stop(run(init:get_plain_arguments())) end),
    ok.

%% Waits until the ETS (or mnesia) table has entries and has not grown for a second: for
%% --startup, where a trainer fills a table in the background. An error after five minutes.
-spec wait_for_table(atom()) -> ok.
wait_for_table(Table) ->
    wait_for_table(Table, 300_000).

-spec wait_for_table(atom(), TimeoutMs :: non_neg_integer()) -> ok.
wait_for_table(Table, TimeoutMs) ->
    wait_for_table(Table, TimeoutMs, undefined, 0).

wait_for_table(_Table, _TimeoutMs, Size, Unchanged) when
    is_integer(Size), Size > 0, Unchanged >= ?SETTLED_MS
->
    ok;
wait_for_table(Table, TimeoutMs, Size, _Unchanged) when TimeoutMs < ?SAMPLE_MS ->
    error({table_not_settled, Table, {size, Size}});
wait_for_table(Table, TimeoutMs, Size, Unchanged) ->
    timer:sleep(?SAMPLE_MS),
    case ets:info(Table, size) of
        Size -> wait_for_table(Table, TimeoutMs - ?SAMPLE_MS, Size, Unchanged + ?SAMPLE_MS);
        Other -> wait_for_table(Table, TimeoutMs - ?SAMPLE_MS, Other, 0)
    end.

%% {ExitCode, Sentence}; no sentence where there is nothing to explain.
run(Arguments) ->
    try
        case options(Arguments, #{startup => []}) of
            help ->
                io:put_chars(?HELP),
                {0, ""};
            Options ->
                train(experiment(Options), [parse(Text) || Text <- maps:get(startup, Options)])
        end
    catch
        throw:{refused, Code, Sentence} -> {Code, Sentence}
    end.

options([], Options) ->
    Options;
options([Help | _], _Options) when Help =:= "--help"; Help =:= "-h" ->
    help;
options(["--experiment", Id | Rest], Options) ->
    options(Rest, Options#{experiment => Id});
options(["--startup", Text | Rest], #{startup := Texts} = Options) ->
    options(Rest, Options#{startup => Texts ++ [Text]});
options([Option], _Options) when Option =:= "--experiment"; Option =:= "--startup" ->
    refuse(2, "~ts wants a value; see --help", [Option]);
options([Other | _], _Options) ->
    refuse(2, "unknown argument ~ts; see --help", [Other]).

experiment(Options) ->
    case maps:get(experiment, Options, os:getenv("DXNN_JOB_ID", "")) of
        "" -> refuse(2, "which experiment? give --experiment ID or set DXNN_JOB_ID", []);
        Id when length(Id) > 255 -> refuse(2, "the experiment's name is longer than 255", []);
        Id -> list_to_atom(Id)
    end.

parse(Text) ->
    case erl_scan:string(string:trim(Text, trailing, ". \t\n") ++ ".") of
        {ok, Tokens, _} ->
            case erl_parse:parse_exprs(Tokens) of
                {ok, Expressions} ->
                    {Text, Expressions};
                {error, {_, Module, Why}} ->
                    refuse(2, "--startup \"~ts\": ~ts", [Text, Module:format_error(Why)])
            end;
        {error, {_, Module, Why}, _} ->
            refuse(2, "--startup \"~ts\": ~ts", [Text, Module:format_error(Why)])
    end.

train(Id, Startup) ->
    {ok, Directory} = file:get_cwd(),
    true = code:add_patha(Directory),
    _ = code:add_patha(filename:join(Directory, "ebin")),
    lists:foreach(fun(Function) -> require(Function, Directory) end, [
        {mnesia, start, 0}, {polis, create, 0}, {benchmarker, start, 1}, {benchmarker, continue, 1}
    ]),
    Backup = backup(),
    ok = dxnn_distribution:start(
        os:getenv("DXNN_ERLANG_NODE", "dxnn@127.0.0.1"),
        os:getenv("DXNN_ERLANG_COOKIE_FILE", "/var/lib/dxnn/.erlang.cookie")
    ),
    ok = dxnn_monitor_watch:start(),
    database(Backup),
    lists:foldl(fun evaluate/2, erl_eval:new_bindings(), Startup),
    open_polis(),
    Progress = progress(Id),
    Backup =/= none andalso Progress =:= absent andalso
        io:format("~ts holds no experiment ~tp: it starts from the beginning~n", [Backup, Id]),
    launch(Id, Progress).

require({mnesia = Module, _, _}, _Directory) ->
    code:ensure_loaded(Module) =:= {module, Module} orelse
        refuse(2, "mnesia is not installed; on Debian it is the package erlang-mnesia", []);
require({Module, Function, Arity}, Directory) ->
    case code:ensure_loaded(Module) of
        {module, Module} ->
            erlang:function_exported(Module, Function, Arity) orelse
                refuse(2, "~ts in ~ts does not export ~ts/~b", [
                    Module, Directory, Function, Arity
                ]);
        {error, _} ->
            refuse(2, "no ~ts.beam in ~ts or its ebin/; dxnn-build makes a trainer's directory", [
                Module, Directory
            ])
    end.

backup() ->
    case os:getenv("DXNN_RESTORE_PATH", "") of
        "" ->
            none;
        Path ->
            filelib:is_regular(Path) orelse
                refuse(2, "DXNN_RESTORE_PATH is ~ts, which is not a file", [Path]),
            Path
    end.

database(none) ->
    guarded("polis:create()", fun polis:create/0),
    ok = mnesia:wait_for_tables(mnesia:system_info(local_tables), infinity);
database(Backup) ->
    dxnn_restore:start_mnesia(Backup).

evaluate({Text, Expressions}, Bindings) ->
    {value, _, NewBindings} = guarded(["--startup \"", Text, "\""], fun() ->
        erl_eval:exprs(Expressions, Bindings)
    end),
    NewBindings.

open_polis() ->
    case erlang:function_exported(polis, start, 0) of
        true -> guarded("polis:start()", fun polis:start/0);
        false -> ok
    end.

%% How far the database says the experiment is: `absent`, its progress_flag, or `unknown`
%% where the trainer's records have no such field.
progress(Id) ->
    lists:member(experiment, mnesia:system_info(tables)) orelse
        refuse(1, "the database has no table \"experiment\": this is no DXNN trainer", []),
    case mnesia:dirty_read(experiment, Id) of
        [] ->
            absent;
        [Record | _] ->
            Fields = mnesia:table_info(experiment, attributes),
            Values = tl(tuple_to_list(Record)),
            proplists:get_value(progress_flag, lists:zip(Fields, Values), unknown)
    end.

launch(Id, absent) ->
    guarded("benchmarker:start/1", fun() -> benchmarker:start(Id) end),
    await_end(Id);
launch(Id, completed) ->
    guarded("benchmarker:continue/1", fun() -> benchmarker:continue(Id) end),
    {0, ""};
launch(Id, _InProgress) ->
    guarded("benchmarker:continue/1", fun() -> benchmarker:continue(Id) end),
    await_end(Id).

await_end(Id) ->
    Reference = monitor(process, benchmarker),
    receive
        {'DOWN', Reference, process, _, Reason} ->
            ended(Reason, Id, progress(Id));
        {monitor_died, Reason} ->
            {1, io_lib:format("the population monitor died: ~0tP", [Reason, 12])}
    end.

%% A benchmarker that was told to terminate ends as normally as one that is done: the database
%% knows the difference.
ended(Reason, _Id, completed) when Reason =:= normal; Reason =:= noproc ->
    {0, ""};
ended(normal, _Id, unknown) ->
    {0, ""};
ended(Reason, Id, _Progress) when Reason =:= normal; Reason =:= noproc ->
    {1, io_lib:format("the benchmarker ended before experiment ~tp had completed", [Id])};
ended(Reason, _Id, _Progress) ->
    {1, io_lib:format("the benchmarker died: ~0tP", [Reason, 12])}.

guarded(What, Call) ->
    try
        Call()
    catch
        Class:Reason -> refuse(1, "~ts failed: ~0tP", [What, {Class, Reason}, 12])
    end.

refuse(Code, Format, Arguments) ->
    throw({refused, Code, io_lib:format(Format, Arguments)}).

stop({2, Sentence}) ->
    %% Nothing has been started yet.
    complain(Sentence),
    halt(2);
stop({Code, Sentence}) ->
    %% Being stopped by a signal takes the processes down one by one. What that looks like from
    %% here is not the trainer's failure.
    case init:get_status() of
        {stopping, _} ->
            ok;
        _ ->
            Sentence =:= "" orelse complain(Sentence),
            init:stop(Code)
    end.

complain(Sentence) ->
    io:format(standard_error, "dxnn-train: ~ts~n", [Sentence]).
