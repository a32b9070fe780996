"""The families of models, one file each, named as its scheme."""
