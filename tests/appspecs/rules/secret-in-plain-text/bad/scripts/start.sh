#!/bin/sh
export DB_PASSWORD=correct-horse-battery
systemctl restart shop
