"""A small CryoSPARC 4: its three command servers, with projects, jobs, files and datasets."""
