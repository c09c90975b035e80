"""PLCs over Siemens S7, by PUT/GET."""
