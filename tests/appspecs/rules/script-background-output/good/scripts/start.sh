#!/bin/sh
cd /srv/app
nohup node server.js >/var/log/shop.log 2>&1 &
