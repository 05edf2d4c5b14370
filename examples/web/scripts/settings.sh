# Read by the other scripts. Set PORT before deploying to use another one.
root=/tmp/codedeploy-example
port=${PORT:-8471}
pid_file=$root/server.pid
