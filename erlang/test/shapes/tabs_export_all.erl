-module(benchmarker).
-compile(export_all).
-define(DIR,"benchmarks/").
-record(experiment,{id,run_index=1,tot_runs=1,progress_flag=in_progress}).
%% everything is exported, tabs, no space anywhere: the way DXNN is written
example()->
	#experiment{id=tabs}.

loop(E,P_Id)->
	receive
		{P_Id,completed,_Trace}->
			case E#experiment.run_index+1 > E#experiment.tot_runs of
				true ->
					U_E = E#experiment{
						run_index = E#experiment.run_index+1,
						progress_flag = completed
					},
					report(U_E#experiment.id,"report");
				false ->
					loop(E,P_Id)
			end;
		terminate ->
			ok
	end.

report(Id,FileName)->
	{reported,Id,?DIR++FileName,filelib:wildcard(os:getenv("DXNN_CHECKPOINT_DIR")++"/completion-*.dmp")}.

	unused_indented(A)->
		A.
