#!/bin/sh
DB_PASSWORD=$(aws ssm get-parameter --name /shop/db --with-decryption --query Parameter.Value --output text)
export DB_PASSWORD
systemctl restart shop
