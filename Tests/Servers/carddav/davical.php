<?php
$c->pg_connect[] = "dbname=davical user=davical_app host=/srv/postgres";
$c->system_name = "DAViCal";
$c->admin_email = "admin@example.org";
