complete -c codedeploy-local -l config -d 'As `-c`' -r -F
complete -c codedeploy-local -s l -l bundle-location -d 'The bundle: a directory, a file, `s3://BUCKET/KEY[?versionId=V&etag=E]`, `https://github.com/OWNER/REPO` or `https://api.github.com/repos/OWNER/REPO/{zipball|tarball}/REF`' -r
complete -c codedeploy-local -s t -l type -d 'The bundle\'s type; without it, `directory` for a directory, otherwise what the name says' -r
complete -c codedeploy-local -s b -l file-exists-behavior -d 'What to do with a file that is in the way: DISALLOW fails, OVERWRITE replaces, RETAIN leaves it' -r
complete -c codedeploy-local -s g -l deployment-group -d 'The deployment group\'s id; a later run with the same id replaces what this one installed' -r
complete -c codedeploy-local -s d -l deployment-group-name -d 'The deployment group\'s name, for scripts' -r
complete -c codedeploy-local -s a -l application-name -d 'The application\'s name, for scripts; without it, the bundle\'s location' -r
complete -c codedeploy-local -s e -l events -d 'Lifecycle events to run, in order, separated by commas; DownloadBundle and Install are put in front when absent' -r
complete -c codedeploy-local -s c -l agent-configuration-file -d 'The agent\'s configuration file. Without it, root takes /etc/codedeploy-agent/conf/codedeployagent.yml, else /opt/codedeploy-agent/conf/codedeployagent.yml, where there is one; otherwise deployments and logs go below $XDG_STATE_HOME/codedeploy-agent, else ~/.local/state/codedeploy-agent (root: /var/lib/codedeploy-agent)' -r -F
complete -c codedeploy-local -s A -l appspec-filename -d 'The AppSpec\'s file name in the bundle' -r
complete -c codedeploy-local -l github-token -d 'A token for private GitHub repositories; better given as the environment variable GITHUB_TOKEN, since other users of this machine can read command lines' -r
complete -c codedeploy-local -l output -d 'How to show the run' -r -f -a "human\t'For people'
json\t'For programs: JSON'"
complete -c codedeploy-local -s v -l version -d 'Print the version'
complete -c codedeploy-local -s h -l help -d 'Print help (see more with \'--help\')'
