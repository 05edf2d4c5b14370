# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_codedeploy_agent_global_optspecs
    string join \n config= h/help V/version
end

function __fish_codedeploy_agent_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_codedeploy_agent_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_codedeploy_agent_using_subcommand
    set -l cmd (__fish_codedeploy_agent_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c codedeploy-agent -n "__fish_codedeploy_agent_needs_command" -l config -d 'The configuration file [default: /etc/codedeploy-agent/conf/codedeployagent.yml, else /opt/codedeploy-agent/conf/codedeployagent.yml]' -r -F
complete -c codedeploy-agent -n "__fish_codedeploy_agent_needs_command" -s h -l help -d 'Print help'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_needs_command" -s V -l version -d 'Print version'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_needs_command" -f -a "run" -d 'Run the agent in the foreground: poll the CodeDeploy service and carry out its commands'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_needs_command" -f -a "run-bundle" -d 'Deploy a bundle on this machine, without the CodeDeploy service'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_needs_command" -f -a "rollback" -d 'Deploy an earlier revision again on this machine, from its archive'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_needs_command" -f -a "plan" -d 'Show what `run-bundle` would do on this host, and do none of it'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_needs_command" -f -a "start" -d 'Start the agent in the background, through systemd where it has the agent\'s unit'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_needs_command" -f -a "stop" -d 'Stop the agent; hooks go on, and the next agent takes up what was at work'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_needs_command" -f -a "restart" -d 'Stop the agent and start it again; the new one takes up what was at work'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_needs_command" -f -a "status" -d 'Say whether the agent runs, and what is at work'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_needs_command" -f -a "deployments" -d 'Show what this host has deployed, and what it is deploying'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_needs_command" -f -a "metrics" -d 'Print the agent\'s metrics, in the OpenMetrics text format'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_needs_command" -f -a "config" -d 'Check or show the configuration'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_needs_command" -f -a "doctor" -d 'Find out what keeps the agent from working on this host'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_needs_command" -f -a "register" -d 'Make this host an on-premises instance: write the on-premises file, checked'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_needs_command" -f -a "deregister" -d 'Remove the on-premises file, so that this host is no on-premises instance any more'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_needs_command" -f -a "clean" -d 'Remove old deployments, bundles that are unpacked, leftovers'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_needs_command" -f -a "validate" -d 'Check AppSpecs, alone or with their bundles'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_needs_command" -f -a "explain" -d 'Explain a rule of `agent validate`, or list them all'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_needs_command" -f -a "schema" -d 'Print the JSON Schema of an AppSpec, for editors'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand run" -l config -d 'The configuration file [default: /etc/codedeploy-agent/conf/codedeployagent.yml, else /opt/codedeploy-agent/conf/codedeployagent.yml]' -r -F
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand run" -l own-session -d 'Leave the session of the caller; standard error is for failures only. For `agent start`'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand run" -s h -l help -d 'Print help'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand run-bundle" -s l -l bundle-location -d 'The bundle: a directory, a file, `s3://BUCKET/KEY[?versionId=V&etag=E]`, `https://github.com/OWNER/REPO` or `https://api.github.com/repos/OWNER/REPO/{zipball|tarball}/REF`' -r
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand run-bundle" -s t -l type -d 'The bundle\'s type; without it, `directory` for a directory, otherwise what the name says' -r
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand run-bundle" -s b -l file-exists-behavior -d 'What to do with a file that is in the way: DISALLOW fails, OVERWRITE replaces, RETAIN leaves it' -r
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand run-bundle" -s g -l deployment-group -d 'The deployment group\'s id; a later run with the same id replaces what this one installed' -r
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand run-bundle" -s d -l deployment-group-name -d 'The deployment group\'s name, for scripts' -r
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand run-bundle" -s a -l application-name -d 'The application\'s name, for scripts; without it, the bundle\'s location' -r
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand run-bundle" -s e -l events -d 'Lifecycle events to run, in order, separated by commas; DownloadBundle and Install are put in front when absent' -r
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand run-bundle" -s c -l agent-configuration-file -d 'The agent\'s configuration file. Without it, root takes /etc/codedeploy-agent/conf/codedeployagent.yml, else /opt/codedeploy-agent/conf/codedeployagent.yml, where there is one; otherwise deployments and logs go below $XDG_STATE_HOME/codedeploy-agent, else ~/.local/state/codedeploy-agent (root: /var/lib/codedeploy-agent)' -r -F
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand run-bundle" -s A -l appspec-filename -d 'The AppSpec\'s file name in the bundle' -r
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand run-bundle" -l github-token -d 'A token for private GitHub repositories; better given as the environment variable GITHUB_TOKEN, since other users of this machine can read command lines' -r
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand run-bundle" -l output -d 'How to show the run' -r -f -a "human\t'For people'
json\t'For programs: JSON'"
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand run-bundle" -l config -d 'The configuration file [default: /etc/codedeploy-agent/conf/codedeployagent.yml, else /opt/codedeploy-agent/conf/codedeployagent.yml]' -r -F
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand run-bundle" -s v -l version -d 'Print the version'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand run-bundle" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand rollback" -l to -d 'The deployment whose revision is deployed again, by its id or the beginning of it' -r
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand rollback" -l group -d 'The deployment group, by its name or id; may be left out where there is one local group only' -r
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand rollback" -s e -l events -d 'Lifecycle events to run, as with run-bundle' -r
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand rollback" -s b -l file-exists-behavior -d 'What to do with a file that is in the way, as with run-bundle' -r
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand rollback" -s A -l appspec-filename -d 'The AppSpec\'s file name in the revision, as with run-bundle' -r
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand rollback" -l output -d 'How to show the run' -r -f -a "human\t'For people'
json\t'For programs: JSON'"
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand rollback" -l config -d 'The configuration file [default: /etc/codedeploy-agent/conf/codedeployagent.yml, else /opt/codedeploy-agent/conf/codedeployagent.yml]' -r -F
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand rollback" -l force -d 'Also in a group that the service manages, and to a revision that is not known to have succeeded'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand rollback" -l dry-run -d 'Only say what would be deployed'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand rollback" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand plan" -s l -l bundle-location -d 'The bundle: a directory, a file, `s3://BUCKET/KEY[?versionId=V&etag=E]`, `https://github.com/OWNER/REPO` or `https://api.github.com/repos/OWNER/REPO/{zipball|tarball}/REF`' -r
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand plan" -s t -l type -d 'The bundle\'s type; without it, `directory` for a directory, otherwise what the name says' -r
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand plan" -s b -l file-exists-behavior -d 'What to do with a file that is in the way: DISALLOW fails, OVERWRITE replaces, RETAIN leaves it' -r
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand plan" -s g -l deployment-group -d 'The deployment group\'s id; a later run with the same id replaces what this one installed' -r
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand plan" -s d -l deployment-group-name -d 'The deployment group\'s name, for scripts' -r
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand plan" -s a -l application-name -d 'The application\'s name, for scripts; without it, the bundle\'s location' -r
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand plan" -s e -l events -d 'Lifecycle events to run, in order, separated by commas; DownloadBundle and Install are put in front when absent' -r
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand plan" -s c -l agent-configuration-file -d 'The agent\'s configuration file. Without it, root takes /etc/codedeploy-agent/conf/codedeployagent.yml, else /opt/codedeploy-agent/conf/codedeployagent.yml, where there is one; otherwise deployments and logs go below $XDG_STATE_HOME/codedeploy-agent, else ~/.local/state/codedeploy-agent (root: /var/lib/codedeploy-agent)' -r -F
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand plan" -s A -l appspec-filename -d 'The AppSpec\'s file name in the bundle' -r
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand plan" -l github-token -d 'A token for private GitHub repositories; better given as the environment variable GITHUB_TOKEN, since other users of this machine can read command lines' -r
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand plan" -l output -d 'How to show the plan' -r -f -a "human\t'For people'
json\t'For programs: JSON'"
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand plan" -l config -d 'The configuration file [default: /etc/codedeploy-agent/conf/codedeployagent.yml, else /opt/codedeploy-agent/conf/codedeployagent.yml]' -r -F
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand plan" -l all -d 'Show every file, also where many have the same in store'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand plan" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand start" -l config -d 'The configuration file [default: /etc/codedeploy-agent/conf/codedeployagent.yml, else /opt/codedeploy-agent/conf/codedeployagent.yml]' -r -F
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand start" -s h -l help -d 'Print help'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand stop" -l config -d 'The configuration file [default: /etc/codedeploy-agent/conf/codedeployagent.yml, else /opt/codedeploy-agent/conf/codedeployagent.yml]' -r -F
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand stop" -l wait -d 'Let the commands at work come to their end first, for at most kill_agent_max_wait_time_seconds'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand stop" -s h -l help -d 'Print help'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand restart" -l config -d 'The configuration file [default: /etc/codedeploy-agent/conf/codedeployagent.yml, else /opt/codedeploy-agent/conf/codedeployagent.yml]' -r -F
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand restart" -s h -l help -d 'Print help'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand status" -l output -d 'How to show it' -r -f -a "human\t'For people'
json\t'For programs: JSON'"
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand status" -l config -d 'The configuration file [default: /etc/codedeploy-agent/conf/codedeployagent.yml, else /opt/codedeploy-agent/conf/codedeployagent.yml]' -r -F
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand deployments; and not __fish_seen_subcommand_from list show logs help" -l group -d 'Only those of the deployment group with this name or id' -r
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand deployments; and not __fish_seen_subcommand_from list show logs help" -l limit -d 'Only the newest N; 0 for all [default: 20 for people, all for programs]' -r
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand deployments; and not __fish_seen_subcommand_from list show logs help" -l output -d 'How to show them [default: human on a terminal, otherwise json]' -r -f -a "human\t'For people'
json\t'For programs: JSON'"
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand deployments; and not __fish_seen_subcommand_from list show logs help" -l config -d 'The configuration file [default: /etc/codedeploy-agent/conf/codedeployagent.yml, else /opt/codedeploy-agent/conf/codedeployagent.yml]' -r -F
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand deployments; and not __fish_seen_subcommand_from list show logs help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand deployments; and not __fish_seen_subcommand_from list show logs help" -f -a "list" -d 'List the deployments, newest first; `*` marks the revision that a group has installed'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand deployments; and not __fish_seen_subcommand_from list show logs help" -f -a "show" -d 'Show all that is known of a deployment: exit status 0, or with --follow 1 when it has not succeeded'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand deployments; and not __fish_seen_subcommand_from list show logs help" -f -a "logs" -d 'Print the output of a deployment\'s hooks'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand deployments; and not __fish_seen_subcommand_from list show logs help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand deployments; and __fish_seen_subcommand_from list" -l group -d 'Only those of the deployment group with this name or id' -r
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand deployments; and __fish_seen_subcommand_from list" -l limit -d 'Only the newest N; 0 for all [default: 20 for people, all for programs]' -r
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand deployments; and __fish_seen_subcommand_from list" -l output -d 'How to show them [default: human on a terminal, otherwise json]' -r -f -a "human\t'For people'
json\t'For programs: JSON'"
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand deployments; and __fish_seen_subcommand_from list" -l config -d 'The configuration file [default: /etc/codedeploy-agent/conf/codedeployagent.yml, else /opt/codedeploy-agent/conf/codedeployagent.yml]' -r -F
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand deployments; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand deployments; and __fish_seen_subcommand_from show" -l output -d 'How to show it [default: human on a terminal, otherwise json]' -r -f -a "human\t'For people'
json\t'For programs: JSON'"
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand deployments; and __fish_seen_subcommand_from show" -l config -d 'The configuration file [default: /etc/codedeploy-agent/conf/codedeployagent.yml, else /opt/codedeploy-agent/conf/codedeployagent.yml]' -r -F
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand deployments; and __fish_seen_subcommand_from show" -l timeline -d 'Draw the events as bars'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand deployments; and __fish_seen_subcommand_from show" -s f -l follow -d 'Follow a running deployment to its end; the exit status is 0 when it has succeeded, else 1'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand deployments; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand deployments; and __fish_seen_subcommand_from logs" -l config -d 'The configuration file [default: /etc/codedeploy-agent/conf/codedeployagent.yml, else /opt/codedeploy-agent/conf/codedeployagent.yml]' -r -F
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand deployments; and __fish_seen_subcommand_from logs" -s f -l follow -d 'Go on until the deployment has ended'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand deployments; and __fish_seen_subcommand_from logs" -s h -l help -d 'Print help'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand deployments; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the deployments, newest first; `*` marks the revision that a group has installed'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand deployments; and __fish_seen_subcommand_from help" -f -a "show" -d 'Show all that is known of a deployment: exit status 0, or with --follow 1 when it has not succeeded'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand deployments; and __fish_seen_subcommand_from help" -f -a "logs" -d 'Print the output of a deployment\'s hooks'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand deployments; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand metrics" -l config -d 'The configuration file [default: /etc/codedeploy-agent/conf/codedeployagent.yml, else /opt/codedeploy-agent/conf/codedeployagent.yml]' -r -F
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand metrics" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand config; and not __fish_seen_subcommand_from check show help" -l config -d 'The configuration file [default: /etc/codedeploy-agent/conf/codedeployagent.yml, else /opt/codedeploy-agent/conf/codedeployagent.yml]' -r -F
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand config; and not __fish_seen_subcommand_from check show help" -s h -l help -d 'Print help'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand config; and not __fish_seen_subcommand_from check show help" -f -a "check" -d 'Check the configuration and the on-premises file: exit status 0, or 78 with all problems'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand config; and not __fish_seen_subcommand_from check show help" -f -a "show" -d 'Show the effective settings and where each comes from; secrets are hidden'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand config; and not __fish_seen_subcommand_from check show help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand config; and __fish_seen_subcommand_from check" -l config -d 'The configuration file [default: /etc/codedeploy-agent/conf/codedeployagent.yml, else /opt/codedeploy-agent/conf/codedeployagent.yml]' -r -F
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand config; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand config; and __fish_seen_subcommand_from show" -l output -d 'How to show them' -r -f -a "human\t'For people'
json\t'For programs: JSON'"
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand config; and __fish_seen_subcommand_from show" -l config -d 'The configuration file [default: /etc/codedeploy-agent/conf/codedeployagent.yml, else /opt/codedeploy-agent/conf/codedeployagent.yml]' -r -F
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand config; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "check" -d 'Check the configuration and the on-premises file: exit status 0, or 78 with all problems'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "show" -d 'Show the effective settings and where each comes from; secrets are hidden'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand doctor" -l output -d 'How to show what was found' -r -f -a "human\t'For people'
json\t'For programs: JSON'"
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand doctor" -l config -d 'The configuration file [default: /etc/codedeploy-agent/conf/codedeployagent.yml, else /opt/codedeploy-agent/conf/codedeployagent.yml]' -r -F
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand register" -l iam-user-arn -d 'The IAM user that the host is' -r
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand register" -l iam-session-arn -d 'The IAM session that the host is, arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION' -r
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand register" -l credentials-file -d 'The session\'s shared credentials file, whose profile `[default]` something else renews' -r -F
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand register" -l region -d 'The region that the host is registered in' -r
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand register" -l file -d 'The on-premises file to write [default: on_premises_config_file of the configuration]' -r -F
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand register" -l config -d 'The configuration file [default: /etc/codedeploy-agent/conf/codedeployagent.yml, else /opt/codedeploy-agent/conf/codedeployagent.yml]' -r -F
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand register" -l no-check -d 'Do not ask the service whether it accepts the credentials'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand register" -l force -d 'Replace the file of another identity; the old file is kept beside it'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand register" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand deregister" -l file -d 'The on-premises file to remove [default: on_premises_config_file of the configuration]' -r -F
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand deregister" -l config -d 'The configuration file [default: /etc/codedeploy-agent/conf/codedeployagent.yml, else /opt/codedeploy-agent/conf/codedeployagent.yml]' -r -F
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand deregister" -l force -d 'Also while the agent runs, or when the file is not understood'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand deregister" -s h -l help -d 'Print help'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand clean" -l group -d 'Only this deployment group, by its name or id' -r
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand clean" -l keep -d 'How many revisions of a group stay [default: max_revisions of the configuration]' -r
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand clean" -l output -d 'How to show it' -r -f -a "human\t'For people'
json\t'For programs: JSON'"
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand clean" -l config -d 'The configuration file [default: /etc/codedeploy-agent/conf/codedeployagent.yml, else /opt/codedeploy-agent/conf/codedeployagent.yml]' -r -F
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand clean" -l dry-run -d 'Only show what is there, and what would go'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand clean" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand validate" -l platform -d 'What the AppSpec is for; detected when absent' -r -f -a "ec2\t'EC2 and on-premises hosts'
ecs\t'Services of ECS'
lambda\t'Lambda functions'"
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand validate" -l output -d 'How to show what is found' -r -f -a "human\t'For people: the source with a caret'
json\t'One JSON list'
sarif\t'SARIF 2.1.0, for code scanning'
github\t'Annotations of GitHub Actions'"
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand validate" -l config -d 'The configuration file [default: /etc/codedeploy-agent/conf/codedeployagent.yml, else /opt/codedeploy-agent/conf/codedeployagent.yml]' -r -F
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand validate" -l host -d 'Check against this host, too: its users, groups and interpreters'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand validate" -l strict -d 'Make errors of the warnings'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand validate" -l fix -d 'Mend what can be mended without knowing what was meant, in the AppSpec file'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand validate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand explain" -l config -d 'The configuration file [default: /etc/codedeploy-agent/conf/codedeployagent.yml, else /opt/codedeploy-agent/conf/codedeployagent.yml]' -r -F
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand explain" -s h -l help -d 'Print help'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand schema" -l config -d 'The configuration file [default: /etc/codedeploy-agent/conf/codedeployagent.yml, else /opt/codedeploy-agent/conf/codedeployagent.yml]' -r -F
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand schema" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand help; and not __fish_seen_subcommand_from run run-bundle rollback plan start stop restart status deployments metrics config doctor register deregister clean validate explain schema help" -f -a "run" -d 'Run the agent in the foreground: poll the CodeDeploy service and carry out its commands'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand help; and not __fish_seen_subcommand_from run run-bundle rollback plan start stop restart status deployments metrics config doctor register deregister clean validate explain schema help" -f -a "run-bundle" -d 'Deploy a bundle on this machine, without the CodeDeploy service'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand help; and not __fish_seen_subcommand_from run run-bundle rollback plan start stop restart status deployments metrics config doctor register deregister clean validate explain schema help" -f -a "rollback" -d 'Deploy an earlier revision again on this machine, from its archive'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand help; and not __fish_seen_subcommand_from run run-bundle rollback plan start stop restart status deployments metrics config doctor register deregister clean validate explain schema help" -f -a "plan" -d 'Show what `run-bundle` would do on this host, and do none of it'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand help; and not __fish_seen_subcommand_from run run-bundle rollback plan start stop restart status deployments metrics config doctor register deregister clean validate explain schema help" -f -a "start" -d 'Start the agent in the background, through systemd where it has the agent\'s unit'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand help; and not __fish_seen_subcommand_from run run-bundle rollback plan start stop restart status deployments metrics config doctor register deregister clean validate explain schema help" -f -a "stop" -d 'Stop the agent; hooks go on, and the next agent takes up what was at work'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand help; and not __fish_seen_subcommand_from run run-bundle rollback plan start stop restart status deployments metrics config doctor register deregister clean validate explain schema help" -f -a "restart" -d 'Stop the agent and start it again; the new one takes up what was at work'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand help; and not __fish_seen_subcommand_from run run-bundle rollback plan start stop restart status deployments metrics config doctor register deregister clean validate explain schema help" -f -a "status" -d 'Say whether the agent runs, and what is at work'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand help; and not __fish_seen_subcommand_from run run-bundle rollback plan start stop restart status deployments metrics config doctor register deregister clean validate explain schema help" -f -a "deployments" -d 'Show what this host has deployed, and what it is deploying'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand help; and not __fish_seen_subcommand_from run run-bundle rollback plan start stop restart status deployments metrics config doctor register deregister clean validate explain schema help" -f -a "metrics" -d 'Print the agent\'s metrics, in the OpenMetrics text format'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand help; and not __fish_seen_subcommand_from run run-bundle rollback plan start stop restart status deployments metrics config doctor register deregister clean validate explain schema help" -f -a "config" -d 'Check or show the configuration'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand help; and not __fish_seen_subcommand_from run run-bundle rollback plan start stop restart status deployments metrics config doctor register deregister clean validate explain schema help" -f -a "doctor" -d 'Find out what keeps the agent from working on this host'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand help; and not __fish_seen_subcommand_from run run-bundle rollback plan start stop restart status deployments metrics config doctor register deregister clean validate explain schema help" -f -a "register" -d 'Make this host an on-premises instance: write the on-premises file, checked'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand help; and not __fish_seen_subcommand_from run run-bundle rollback plan start stop restart status deployments metrics config doctor register deregister clean validate explain schema help" -f -a "deregister" -d 'Remove the on-premises file, so that this host is no on-premises instance any more'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand help; and not __fish_seen_subcommand_from run run-bundle rollback plan start stop restart status deployments metrics config doctor register deregister clean validate explain schema help" -f -a "clean" -d 'Remove old deployments, bundles that are unpacked, leftovers'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand help; and not __fish_seen_subcommand_from run run-bundle rollback plan start stop restart status deployments metrics config doctor register deregister clean validate explain schema help" -f -a "validate" -d 'Check AppSpecs, alone or with their bundles'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand help; and not __fish_seen_subcommand_from run run-bundle rollback plan start stop restart status deployments metrics config doctor register deregister clean validate explain schema help" -f -a "explain" -d 'Explain a rule of `agent validate`, or list them all'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand help; and not __fish_seen_subcommand_from run run-bundle rollback plan start stop restart status deployments metrics config doctor register deregister clean validate explain schema help" -f -a "schema" -d 'Print the JSON Schema of an AppSpec, for editors'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand help; and not __fish_seen_subcommand_from run run-bundle rollback plan start stop restart status deployments metrics config doctor register deregister clean validate explain schema help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand help; and __fish_seen_subcommand_from deployments" -f -a "list" -d 'List the deployments, newest first; `*` marks the revision that a group has installed'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand help; and __fish_seen_subcommand_from deployments" -f -a "show" -d 'Show all that is known of a deployment: exit status 0, or with --follow 1 when it has not succeeded'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand help; and __fish_seen_subcommand_from deployments" -f -a "logs" -d 'Print the output of a deployment\'s hooks'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "check" -d 'Check the configuration and the on-premises file: exit status 0, or 78 with all problems'
complete -c codedeploy-agent -n "__fish_codedeploy_agent_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "show" -d 'Show the effective settings and where each comes from; secrets are hidden'
