"""Archives: millions of frames in folders, tar files, Parquet or object stores, judged on Ray."""
