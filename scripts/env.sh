# The environment of the workspace: `. scripts/env.sh`, from bash or zsh, in any folder.
#
# Python packages are taken from src/ (edits are live), interfaces from install/, ROS from .venv.
# The `mtopt` command sources this file too, so both see the same thing. Sourcing it twice is harmless.

if [ -n "${BASH_SOURCE:-}" ]; then
    _mtopt_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
else
    _mtopt_root=$(cd "$(dirname "$0")/.." && pwd -P)
fi
_mtopt_venv="$_mtopt_root/.venv"

# Puts $2 in front of the path variable $1, once.
_mtopt_prepend() {
    eval "_mtopt_old=\${$1:-}"
    case ":$_mtopt_old:" in
        *":$2:"*) ;;
        *) eval "export $1=\"\$2\${_mtopt_old:+:\$_mtopt_old}\"" ;;
    esac
}

_mtopt_site=$(echo "$_mtopt_venv"/lib/python3.*/site-packages)
_mtopt_python=$(basename "$(dirname "$_mtopt_site")")

_mtopt_prepend PATH "$_mtopt_root/install/bin"
_mtopt_prepend PATH "$_mtopt_venv/bin"
_mtopt_prepend AMENT_PREFIX_PATH "$_mtopt_venv"
_mtopt_prepend AMENT_PREFIX_PATH "$_mtopt_root/install"
_mtopt_prepend CMAKE_PREFIX_PATH "$_mtopt_venv"
_mtopt_prepend CMAKE_PREFIX_PATH "$_mtopt_root/install"
_mtopt_prepend GZ_SIM_RESOURCE_PATH "$_mtopt_root/install/share/mtopt_bringup/worlds/models"
for _mtopt_libs in "$_mtopt_site"/ros_*.libs; do
    [ -d "$_mtopt_libs" ] && _mtopt_prepend LD_LIBRARY_PATH "$_mtopt_libs"
done
_mtopt_prepend LD_LIBRARY_PATH "$_mtopt_venv/lib"
_mtopt_prepend LD_LIBRARY_PATH "$_mtopt_root/install/lib"
_mtopt_prepend PYTHONPATH "$_mtopt_root/install/lib/$_mtopt_python/site-packages"
for _mtopt_package in sim learning control spec; do
    # Only the metadata that the nodes' executables look up.
    _mtopt_prepend PYTHONPATH "$_mtopt_root/build/mtopt_$_mtopt_package"
done
for _mtopt_package in bringup sim learning control spec; do
    _mtopt_prepend PYTHONPATH "$_mtopt_root/src/mtopt_$_mtopt_package"
done

# The ROS wheels restart Python once to set LD_LIBRARY_PATH; it is set here already.
export _ROS_WHEELS_BOOTSTRAP_COMPLETE=1
export VIRTUAL_ENV="$_mtopt_venv"

export ROS_DISTRO=jazzy
export RMW_IMPLEMENTATION="${RMW_IMPLEMENTATION:-rmw_fastrtps_cpp}"
# A cell's robots talk on this machine only, unless asked otherwise. By the profile's one interface:
# with LOCALHOST as its range rmw_fastrtps adds shared memory to whatever a profile says.
_mtopt_profile=fastdds.xml
[ -n "${ROS_AUTOMATIC_DISCOVERY_RANGE:-}" ] || _mtopt_profile=fastdds_localhost.xml
export ROS_AUTOMATIC_DISCOVERY_RANGE="${ROS_AUTOMATIC_DISCOVERY_RANGE:-SUBNET}"
# The name that this Fast DDS reads, and that of later ones.
export FASTRTPS_DEFAULT_PROFILES_FILE="${FASTRTPS_DEFAULT_PROFILES_FILE:-$_mtopt_root/params/$_mtopt_profile}"
export FASTDDS_DEFAULT_PROFILES_FILE="${FASTDDS_DEFAULT_PROFILES_FILE:-$FASTRTPS_DEFAULT_PROFILES_FILE}"
# Pictures without a screen.
export MUJOCO_GL="${MUJOCO_GL:-egl}"

unset _mtopt_root _mtopt_venv _mtopt_site _mtopt_python _mtopt_old _mtopt_libs _mtopt_package
unset _mtopt_profile
unset -f _mtopt_prepend
