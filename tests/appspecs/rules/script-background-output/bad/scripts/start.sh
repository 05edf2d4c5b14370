#!/bin/sh
cd /srv/app
nohup node server.js &
