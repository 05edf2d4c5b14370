#!/bin/sh
systemctl restart shop
