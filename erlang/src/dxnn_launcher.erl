%% dxnn-train: starts a DXNN trainer as a node of its own and turns the experiment's end into
%% the node's exit code.
-module(dxnn_launcher).
-export([main/0, wait_for_table/1, wait_for_table/2, experiment/0, records/0]).

-define(HELP, <<
    "usage: dxnn-train [--experiment ID] [--startup EXPRESSIONS]... [--start EXPRESSION]\n"
    "\n"
    "Runs the DXNN trainer in the working directory, which dxnn-build made, until its experiment\n"
    "has completed. Goes on with the experiment where the database has it, with the population of\n"
    "the run in progress; else starts it.\n"
    "\n"
    "  --experiment ID        the experiment's key, an atom; default: $DXNN_JOB_ID\n"
    "  --startup EXPRESSIONS  Erlang expressions, evaluated once mnesia runs and before\n"
    "                         polis:start(), instead of those that dxnn-build found; may be given\n"
    "                         several times; \"\" for none\n"
    "  --start EXPRESSION     what starts an experiment that the database does not have, instead\n"
    "                         of benchmarker:start(Id); Id is bound to the experiment's key\n"
    "  --help                 this text\n"
    "\n"
    "Environment:\n"
    "  DXNN_JOB_ID                 the experiment, where --experiment does not say\n"
    "  DXNN_ERLANG_NODE            the node's name; default: dxnn@127.0.0.1\n"
    "  DXNN_ERLANG_COOKIE_FILE     holds its cookie; default: /var/lib/dxnn/.erlang.cookie\n"
    "  DXNN_RESTORE_PATH           a mnesia backup to start from; replaces the database, but for\n"
    "                              one that $DXNN_RUN_ID has had on this machine since it booted\n"
    "  DXNN_BEGIN_RUN_ANEW         true: the run in progress begins anew, as DXNN itself would have\n"
    "                              it, where a population stands still again and again\n"
    "  DXNN_STALLED_AFTER_SECONDS  a trainer that stands still for so long is ended; default:\n"
    "                              1800; 0: never\n"
    "  ERL_EPMD_PORT               the port of the name server; default: 4369\n"
    "\n"
    "Exit codes: 0 the experiment has completed, or the node was told to stop (TERM);\n"
    "1 the trainer failed, or stood still; 2 usage or settings.\n"
    "\n"
    "Examples:\n"
    "  dxnn-train --experiment xor\n"
    "  dxnn-train --startup \"fx:init(), fx:start(), dxnn_launcher:wait_for_table('EURUSD15')\"\n"
    "  dxnn-train --start \"benchmarker:start(Id, #{population_id => test, evaluations_limit =>\n"
    "      5000}, [#{morphology => xor_mimic, connection_architecture => recurrent}], 10)\"\n"
>>).

-define(SETTLED_MS, 1000).
-define(SAMPLE_MS, 100).
%% In which a node that failed has stopped; after that it is halted.
-define(STOPPED_WITHIN_MS, 30_000).

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

%% The experiment that this node trains, and the fields of the trainer's records: for whoever takes
%% a checkpoint.
-spec experiment() -> atom().
experiment() ->
    persistent_term:get({?MODULE, experiment}, undefined).

-spec records() -> dxnn_forms:records().
records() ->
    persistent_term:get({?MODULE, records}, #{}).

%% {ExitCode, Sentence}; no sentence where there is nothing to explain.
run(Arguments) ->
    try
        case dxnn_options:parse(Arguments) of
            help ->
                io:put_chars(?HELP),
                {0, ""};
            Options ->
                train(Options)
        end
    catch
        throw:{refused, Code, Sentence} -> {Code, Sentence}
    end.

train(#{experiment := Id, start := Start} = Options) ->
    {ok, Directory} = file:get_cwd(),
    true = code:add_patha(Directory),
    _ = code:add_patha(filename:join(Directory, "ebin")),
    lists:foreach(fun(Function) -> require(Function, Directory) end, [
        {mnesia, start, 0}, {polis, create, 0}, {benchmarker, start, 1}, {benchmarker, continue, 1}
    ]),
    Description = dxnn_trainer:read(Directory),
    #{records := Records} = Description,
    Seconds = dxnn_options:stalled_after_seconds(),
    Backup = dxnn_options:backup(),
    Backup =:= none orelse fits(Backup, Description),
    ok = dxnn_distribution:start(
        os:getenv("DXNN_ERLANG_NODE", "dxnn@127.0.0.1"),
        os:getenv("DXNN_ERLANG_COOKIE_FILE", "/var/lib/dxnn/.erlang.cookie")
    ),
    persistent_term:put({?MODULE, experiment}, Id),
    persistent_term:put({?MODULE, records}, Records),
    ok = dxnn_crashes:start(),
    Watch = dxnn_monitor_watch:start(),
    make_report_directory(Description),
    database(Backup, dxnn_options:run(), Records),
    start_up(Options, Description),
    open_polis(),
    Progress = progress(Id),
    Backup =/= none andalso Progress =:= absent andalso
        say("~ts holds no experiment ~tp: it starts from the beginning", [Backup, Id]),
    Mnesia = monitor(process, mnesia_sup),
    case Progress of
        completed -> completed(Id);
        absent -> start(Id, Start), await_end(Id, Seconds, Watch, Mnesia);
        _ -> continue(Id, Description), await_end(Id, Seconds, Watch, Mnesia)
    end.

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

%% Code that has other records than the dump fails on them, or waits for ever.
fits(Backup, Description) ->
    case dxnn_check:check(Backup, Description, schema) of
        ok -> ok;
        {no, Sentence} -> refuse(1, "~ts cannot be restored: ~ts", [Backup, Sentence])
    end.

%% benchmarker:report/2 does not make it, and crashes when all the training is done.
make_report_directory(#{report_directory := none}) ->
    ok;
make_report_directory(#{report_directory := Directory}) ->
    case filelib:ensure_dir(filename:join(Directory, "any")) of
        ok -> ok;
        {error, Reason} -> say("~ts can't be made: ~ts", [Directory, file:format_error(Reason)])
    end.

%% Starts mnesia: on what the run has on this machine, else on the backup, else on what lies here,
%% else on a new database.
database(Backup, Run, Records) ->
    case {Backup, dxnn_local:is_of_run(Run)} of
        {none, _} ->
            local_or_new(Records);
        {_, true} ->
            case dxnn_local:start(Records) of
                ok ->
                    say("goes on with the database that run ~ts has on this machine", [Run]);
                {broken, Sentence} ->
                    say("the database on this machine is not used: ~ts", [Sentence]),
                    dxnn_restore:start_mnesia(Backup)
            end;
        {_, false} ->
            dxnn_restore:start_mnesia(Backup)
    end,
    dxnn_local:mark(Run).

local_or_new(Records) ->
    Answer = dxnn_local:there() andalso dxnn_local:start(Records),
    case Answer of
        {broken, Sentence} ->
            Aside = dxnn_local:set_aside(),
            say("no trainer could start from the database here, which is now ~ts: ~ts", [
                Aside, Sentence
            ]);
        _ ->
            ok
    end,
    guarded("polis:create()", fun polis:create/0),
    ok = mnesia:wait_for_tables(mnesia:system_info(local_tables), infinity).

start_up(#{startup := described}, #{startup := Described}) ->
    say("start-up as dxnn-build found it: ~ts", [lists:join(", ", Described ++ ["polis:start()"])]),
    #{startup := Startup} = dxnn_options:parse(
        ["--experiment", "any" | lists:append([["--startup", Text] || Text <- Described])]
    ),
    evaluate_all(Startup);
start_up(#{startup := Startup}, _Description) ->
    evaluate_all(Startup).

evaluate_all(described) ->
    ok;
evaluate_all(Startup) ->
    Evaluate = fun(Expressions, Bindings) -> evaluate("--startup", Expressions, Bindings) end,
    lists:foldl(Evaluate, erl_eval:new_bindings(), Startup),
    whereis(benchmarker) =:= undefined orelse
        refuse(1, "the start-up expressions started a benchmarker: --start is for that", []).

evaluate(Option, {Text, Expressions}, Bindings) ->
    {value, _, NewBindings} = guarded([Option, " \"", Text, "\""], fun() ->
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
    Source = dxnn_database:live(records()),
    case mnesia:dirty_read(experiment, Id) of
        [] ->
            absent;
        [Experiment | _] ->
            case dxnn_fields:value(Experiment, progress_flag, maps:get(fields, Source)) of
                undefined -> unknown;
                Flag -> Flag
            end
    end.

start(Id, none) ->
    guarded("benchmarker:start/1", fun() -> benchmarker:start(Id) end);
start(Id, Start) ->
    _ = evaluate("--start", Start, erl_eval:add_binding('Id', Id, erl_eval:new_bindings())),
    whereis(benchmarker) =/= undefined orelse progress(Id) =:= completed orelse
        refuse(1, "--start \"~ts\" started no benchmarker", [element(1, Start)]).

%% It may be that its report was lost with the machine on which it completed.
completed(Id) ->
    guarded("benchmarker:continue/1", fun() -> benchmarker:continue(Id) end),
    try
        erlang:function_exported(benchmarker, report, 2) andalso benchmarker:report(Id, "report")
    catch
        Class:Reason -> say("benchmarker:report/2 failed: ~0tP", [{Class, Reason}, 12])
    end,
    {0, ""}.

continue(Id, #{resume := Resume}) ->
    [Experiment] = mnesia:dirty_read(experiment, Id),
    Source = dxnn_database:live(records()),
    case dxnn_references:check(Source) of
        ok -> ok;
        {broken, Sentence} -> refuse(1, "no trainer can start from the database: ~ts", [Sentence])
    end,
    say_what_is_kept(Id, Experiment, Source),
    Progress = dxnn_progress:words(dxnn_progress:of_experiment(Id, Source)),
    Allowed =
        case dxnn_options:begins_anew() of
            true -> "trainers stood still with its population, one after the other";
            false -> Resume
        end,
    case dxnn_continue:how(Experiment, Source, Allowed) of
        resume ->
            say("goes on with the population of the run in progress: ~ts", [Progress]),
            guarded("dxnn_resumed:continue/1", fun() -> dxnn_resumed:continue(Id) end);
        {anew, Why} ->
            say("begins the run in progress anew, for ~ts: ~ts", [Why, Progress]),
            guarded("benchmarker:continue/1", fun() -> benchmarker:continue(Id) end)
    end.

%% What an experiment is begun with is in the database; later changes of the code do not reach it.
say_what_is_kept(Id, Experiment, Source) ->
    try
        Begun = dxnn_resumed:experiment(Id),
        Kept = dxnn_continue:kept(Experiment, Begun, Source),
        [say("experiment ~tp keeps its ~ts", [Id, Sentence]) || Sentence <- Kept]
    catch
        %% A trainer whose start/1 is of another shape; nothing is known of what it would begin.
        error:_ -> []
    end.

await_end(Id, Seconds, Watch, Mnesia) ->
    ok = dxnn_stall:start(Seconds, Watch),
    Reference = monitor(process, benchmarker),
    receive
        {'DOWN', Reference, process, _, Reason} ->
            ended(Reason, Id, progress(Id));
        {'DOWN', Mnesia, process, _, Reason} ->
            {1, io_lib:format("mnesia has ended: ~0tP", [Reason, 12])};
        {monitor_died, Reason} ->
            {1, io_lib:format("the population monitor died: ~0tP", [Reason, 12])};
        {stalled, Sentence} ->
            {1, ["stalled: ", Sentence]}
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

-spec refuse(1..2, io:format(), [term()]) -> no_return().
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
            init:stop(Code),
            timer:sleep(?STOPPED_WITHIN_MS),
            halt(Code, [{flush, false}])
    end.

say(Format, Arguments) ->
    io:format("dxnn-train: " ++ Format ++ "~n", Arguments).

complain(Sentence) ->
    io:format(standard_error, "dxnn-train: ~ts~n", [Sentence]).
