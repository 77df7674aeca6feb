%% Makes this emulator a node that others on the machine, and only they, can talk to.
-module(dxnn_distribution).
-export([start/2]).

%% Starts distribution as `Node` with the cookie that `CookieFile` holds. Throws
%% {refused, Code, Sentence}: 2 for a bad name or cookie file, 1 when the node cannot start.
%% The interface it listens on is the kernel's setting inet_dist_use_interface.
-spec start(string(), file:filename()) -> ok.
start(Node, CookieFile) ->
    Domain = domain(Node),
    Cookie = cookie(CookieFile),
    ok = ensure_epmd(),
    case net_kernel:start(list_to_atom(Node), #{name_domain => Domain}) of
        {ok, _} ->
            true = erlang:set_cookie(node(), Cookie),
            %% Until here the cookie was `nocookie`, which anybody can guess.
            lists:foreach(fun erlang:disconnect_node/1, nodes(connected));
        {error, _} ->
            refuse(1, "the node ~ts does not start: its name is taken, or the name server "
                "(epmd) cannot be reached on port ~ts", [Node, epmd_port()])
    end.

domain(Node) ->
    case string:split(Node, "@") of
        [[_ | _], [_ | _] = Host] ->
            case lists:member($., Host) of
                true -> longnames;
                false -> shortnames
            end;
        _ ->
            refuse(2, "DXNN_ERLANG_NODE is \"~ts\", not name@host", [Node])
    end.

cookie(File) ->
    case file:read_file(File) of
        {ok, Bytes} ->
            case string:trim(binary_to_list(Bytes)) of
                "" -> refuse(2, "the cookie file ~ts is empty", [File]);
                Text -> list_to_atom(Text)
            end;
        {error, Reason} ->
            refuse(2, "the cookie file ~ts cannot be read: ~ts", [File, file:format_error(Reason)])
    end.

%% net_kernel:start/2, unlike `erl -name`, leaves the name server to its caller.
ensure_epmd() ->
    case erl_epmd:names({127, 0, 0, 1}) of
        {ok, _} ->
            ok;
        {error, _} ->
            Epmd = filename:join(os:getenv("BINDIR", ""), "epmd"),
            Port = open_port({spawn_executable, Epmd}, [{args, ["-daemon"]}, exit_status]),
            receive
                {Port, {exit_status, _}} -> await_epmd(50)
            end
    end.

await_epmd(0) ->
    refuse(1, "the name server (epmd) does not answer on port ~ts", [epmd_port()]);
await_epmd(Attempts) ->
    case erl_epmd:names({127, 0, 0, 1}) of
        {ok, _} ->
            ok;
        {error, _} ->
            timer:sleep(100),
            await_epmd(Attempts - 1)
    end.

epmd_port() ->
    os:getenv("ERL_EPMD_PORT", "4369").

refuse(Code, Format, Arguments) ->
    throw({refused, Code, io_lib:format(Format, Arguments)}).
