%% dxnn-build: makes the directory a trainer runs in from a checkout of its source.
-module(dxnn_build).
-export([main/0, build/3]).
-include_lib("kernel/include/file.hrl").

-define(HELP, <<
    "usage: dxnn-build [--startup EXPRESSIONS] SOURCE DESTINATION\n"
    "\n"
    "Copies the DXNN checkout SOURCE to DESTINATION (without .git, Mnesia.*, *.beam and the old\n"
    "reports in benchmarks/), patches its benchmarker.erl (see dxnn-patch), compiles all modules of\n"
    "SOURCE and SOURCE/src into DESTINATION/ebin, adds the module by which a run in progress is\n"
    "gone on with, and writes down in DESTINATION/dxnn_trainer.config how dxnn-train starts it. On\n"
    "failure there is no DESTINATION.\n"
    "\n"
    "  --startup EXPRESSIONS  what it needs to start, where dxnn-build does not find out by itself;\n"
    "                         see dxnn-train --help; \"\" for nothing\n"
    "\n"
    "Exit codes: 0 built; 1 the source does not compile; 2 refused, or usage.\n"
    "\n"
    "Example:\n"
    "  dxnn-build ~/DXNN-Trader-v2 /opt/dxnn\n"
>>).

%% The entry of bin/dxnn-build.
-spec main() -> ok.
main() ->
    spawn(fun() -> halt(run(init:get_plain_arguments())) end),
    ok.

run([Help]) when Help =:= "--help"; Help =:= "-h" ->
    io:put_chars(?HELP),
    0;
run(["--startup", Expressions, Source, Destination]) ->
    run(Source, Destination, [Expressions || Expressions =/= ""]);
run([[Letter | _] = Source, [_ | _] = Destination]) when Letter =/= $- ->
    run(Source, Destination, found);
run(_) ->
    io:format(standard_error, "dxnn-build: what from, and what to? see --help~n", []),
    2.

run(Source, Destination, Startup) ->
    case build(filename:absname(Source), filename:absname(Destination), Startup) of
        {ok, Description} ->
            [io:format("~ts~n", [Line]) || Line <- dxnn_trainer:summary(Description)],
            io:format("~ts is ready to run~n", [Destination]),
            0;
        {refused, Code, Sentence} ->
            io:format(standard_error, "dxnn-build: ~ts~n", [Sentence]),
            Code
    end.

%% Builds `Destination` from `Source`, both absolute: wholly, or not at all. `Startup` are the
%% expressions it needs to start, or `found`, where they are to be found out from the source.
-spec build(file:filename(), file:filename(), [string()] | found) ->
    {ok, dxnn_trainer:description()} | {refused, 1..2, iolist()}.
build(Source, Destination, Startup) ->
    Work = Destination ++ ".partial-" ++ os:getpid(),
    try
        Benchmarker = benchmarker(Source),
        vacant(Source, Destination),
        done(Work, filelib:ensure_dir(Work)),
        copy(Source, Work),
        %% Reports of another day are none of what this training will find.
        _ = file:del_dir_r(filename:join(Work, "benchmarks")),
        patch(filename:join(Work, Benchmarker)),
        compile_all(Work),
        done(Work, filelib:ensure_dir(filename:join([Work, "benchmarks", "any"]))),
        Description = describe(Work, Startup),
        _ = file:del_dir(Destination),
        done(Destination, file:rename(Work, Destination)),
        {ok, Description}
    catch
        throw:{refused, _, _} = Refused -> Refused
    after
        file:del_dir_r(Work)
    end.

benchmarker(Source) ->
    Places = ["benchmarker.erl", filename:join("src", "benchmarker.erl")],
    case [Place || Place <- Places, filelib:is_regular(filename:join(Source, Place))] of
        [Place | _] -> Place;
        [] -> refuse(2, "no benchmarker.erl in ~ts or its src/: this is no DXNN", [Source])
    end.

vacant(Source, Destination) ->
    lists:prefix(Source ++ "/", Destination ++ "/") andalso
        refuse(2, "~ts lies inside ~ts, which it is to be a copy of", [Destination, Source]),
    case file:list_dir(Destination) of
        {error, enoent} -> ok;
        {ok, []} -> ok;
        {ok, _} -> refuse(2, "~ts is not empty", [Destination]);
        {error, Reason} -> done(Destination, {error, Reason})
    end.

copy(From, To) ->
    {ok, #file_info{type = Type, mode = Mode}} = done(From, file:read_link_info(From)),
    case Type of
        directory ->
            {ok, Names} = done(From, file:list_dir(From)),
            done(To, file:make_dir(To)),
            [
                copy(filename:join(From, Name), filename:join(To, Name))
             || Name <- Names, wanted(Name)
            ],
            done(To, file:change_mode(To, Mode));
        regular ->
            done(From, file:copy(From, To)),
            done(To, file:change_mode(To, Mode));
        symlink ->
            {ok, Target} = done(From, file:read_link(From)),
            done(To, file:make_symlink(Target, To));
        _ ->
            refuse(2, "~ts is neither a file nor a directory", [From])
    end.

wanted(".git") -> false;
wanted("Mnesia." ++ _) -> false;
wanted(Name) -> filename:extension(Name) =/= ".beam".

describe(Work, Startup) ->
    Resume = dxnn_resume:make(Work, filename:join(Work, "ebin")),
    Found = dxnn_trainer:describe(Work, Resume),
    Description =
        case Startup of
            found -> Found;
            _ -> Found#{startup := Startup}
        end,
    done(Work, dxnn_trainer:write(Work, Description)),
    Description.

patch(File) ->
    case dxnn_patch:patch_file(File) of
        {ok, _} -> ok;
        {error, Sentence} -> refuse(2, "~ts", [Sentence])
    end.

compile_all(Work) ->
    Ebin = filename:join(Work, "ebin"),
    done(Ebin, filelib:ensure_dir(filename:join(Ebin, "any"))),
    Include = [{i, filename:join(Work, Place)} || Place <- [".", "src", "include"]],
    %% deterministic: no path of the working copy, which is renamed, in a stack trace.
    Options = [return_errors, deterministic, {outdir, Ebin} | Include],
    Files = [
        filename:join(Work, File)
     || Pattern <- ["*.erl", "src/**/*.erl"], File <- filelib:wildcard(Pattern, Work)
    ],
    case lists:append([compile(File, Options) || File <- Files]) of
        [] -> ok;
        Failed -> refuse(1, "the source does not compile:~n~ts", [lists:join("\n", Failed)])
    end.

%% The errors of one file, a line each.
compile(File, Options) ->
    case compile:file(File, Options) of
        {ok, _} ->
            [];
        {error, Errors, _Warnings} ->
            [
                [filename:basename(Name), ":", describe(Error)]
             || {Name, Described} <- Errors, Error <- Described
            ]
    end.

describe({{Line, Column}, Module, Why}) ->
    io_lib:format("~b:~b: ~ts", [Line, Column, Module:format_error(Why)]);
describe({Line, Module, Why}) when is_integer(Line) ->
    io_lib:format("~b: ~ts", [Line, Module:format_error(Why)]);
describe({_NoPlace, Module, Why}) ->
    [" ", Module:format_error(Why)];
describe({Module, Why}) ->
    [" ", Module:format_error(Why)].

done(Path, {error, Reason}) ->
    refuse(2, "~ts: ~ts", [Path, file:format_error(Reason)]);
done(_Path, Result) ->
    Result.

-spec refuse(1..2, io:format(), [term()]) -> no_return().
refuse(Code, Format, Arguments) ->
    throw({refused, Code, io_lib:format(Format, Arguments)}).
