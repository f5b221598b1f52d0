#!/usr/bin/env bash
# The main job before your eyes: a small CRM, an address book in a CSV file with overlapping people,
# a preview, the first sync, edits on both sides, a conflict, a deletion and its resync, the report.
set -euo pipefail
program=$(realpath "${1:?usage: demo.sh PROGRAM}")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

if [ -t 1 ]; then bold='\033[1m'; plain='\033[0m'; else bold=''; plain=''; fi
say() { printf "\n${bold}# %s${plain}\n" "$*"; }
run() { printf '$ tandem %s\n' "$*"; "$program" "$@"; }

mkdir sheets
cat > sheets/contacts.csv <<'CSV'
id,Email,First Name,Last Name,Phone Number,Company,Favourite cake
1,ann@acme.example,Ann,Lee,+47 22 10 20 30,Acme,carrot
2,bob@beta.example,Bob,Moe,,Beta,
3,zoe@gamma.example,Zoë,Ødegård,+47 22 99 88 77,Gamma,lemon
CSV
cat > sheets/companies.csv <<'CSV'
id,Company name,Company Domain Name,City
1,Acme,www.acme.example,
2,Beta Ltd,beta.example,Bergen
CSV
cat > tandem.yaml <<'YAML'
store: tandem.db
connections:
  sheets: {app: csv, folder: sheets, rest: 0s}
syncs:
  companies: {connection: sheets, object: companies}
  people: {connection: sheets, object: contacts, default: crm}
YAML

say "A small CRM: two people, one of whom is in the address book, too, and a company"
run crm create contacts email=ann@acme.example firstname=Ann lastname=Lee-Berg jobtitle=CEO
run crm create contacts email=carl@delta.example firstname=Carl lastname=Dahl
run crm create companies name=ACME domain=acme.example city=Oslo

say "What a first sync would do; nothing is written"
run sync --dry-run
say "The first sync"
run sync
say "The address book now. The cake column is nobody's business but its owner's"
cat sheets/contacts.csv
say "The companies, matched by domain (www. does not matter)"
cat sheets/companies.csv

say "Edits on both sides: other fields of Bob, and the same field of Zoë (a conflict)"
run crm update contacts bob@beta.example jobtitle=Buyer 'phone=+47 55 00 00 01'
run crm update contacts zoe@gamma.example 'phone=+47 11 11 11 11'
sed -i 's/Bob,Moe/Robert,Moe/; s/+47 22 99 88 77/+47 99 99 99 99/' sheets/contacts.csv
run sync --dry-run people
run sync
cat sheets/contacts.csv

say "Somebody deletes Carl's row. The CRM keeps him, and says so"
sed -i '/carl@delta/d' sheets/contacts.csv
run sync people
run records --sync people --columns crm_id,label,state
say "Bring him back"
run resync-deleted --in app --all people
cat sheets/contacts.csv

say "The state of everything"
run status
run report --columns sync,label,state,synced_at
say "A further sync has nothing to do"
run sync
