"""What metadx ships ready to start from: one small file per modality, made by `tools/make_bases.py`."""
